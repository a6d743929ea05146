"""A published result, which a claimed accuracy is held to."""

from pydantic import Field

from harness.claims.estimands import Strict


class Published(Strict):
    """A published result: test accuracy in per cent. `unreproduced` is the reason why it does not count, or ""."""

    model: str
    test_accuracy: float = Field(gt=0, le=100)
    source: str
    unreproduced: str = ""
