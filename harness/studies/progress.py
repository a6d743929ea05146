"""What a search had found, and what it had cost, after each of its trials."""

from collections.abc import Iterable
from typing import NamedTuple


class Progress(NamedTuple):
    """After so many trials: their training cost, and the best validation accuracy among them, a fraction."""

    trials: int
    cost: float
    best: float


def best_so_far(trials: Iterable[tuple[float | None, float]]) -> list[Progress]:
    """The progress after each trial, from the first complete one on.

    `trials`: the accuracy of each in ask order, None unless it is complete, and its cost, 0 for a copy. Only a complete
    trial can be the best; all of them cost.
    """
    found: list[Progress] = []
    best: float | None = None
    total = 0.0
    for count, (accuracy, cost) in enumerate(trials, start=1):
        total += cost
        if accuracy is not None:
            best = accuracy if best is None else max(best, accuracy)
        if best is not None:
            found.append(Progress(count, total, best))
    return found
