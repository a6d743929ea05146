"""One run as a measure sees it."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from harness.core.errors import UserError


class Run(NamedTuple):
    """One run as a measure sees it."""

    run_id: str
    diverged: bool
    config: Mapping[Hashable, Any]
    curve: Callable[[str], "pd.Series[float]"]

    @property
    def is_search(self) -> bool:
        """Whether it stands for a whole search; its curves are by trial."""
        return isinstance(self.config.get("sampler"), str)


def present(run: Run, metric: str) -> "pd.Series[float]":
    """A curve that a run must have. Raises `UserError` if it was never recorded."""
    curve = run.curve(metric)
    if not len(curve):
        raise UserError(f"run {run.run_id} has no {metric}: its records were altered")
    return curve
