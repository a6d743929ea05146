"""The measures of a whole search, from its curves by trial. One without a complete trial counts as the worst."""

import math

import pandas as pd

from analysis.judging.measured_run import Run, present
from harness.tracking.schema import BEST_ACCURACY, TRAINING_COST


def winner_accuracy(run: Run) -> float:
    """The mean test accuracy of the winner's fresh runs, in points; if one of them diverged, the worst there is."""
    if run.diverged:
        return -math.inf
    mean = float(present(run, "test_accuracy").iloc[-1])
    return -math.inf if math.isnan(mean) else mean * 100


def best_accuracy(run: Run, at: float | None) -> float:
    """The best validation accuracy among the first `at` trials, in points; −∞ before one of them was complete."""
    if run.diverged:
        return -math.inf
    curve = present(run, BEST_ACCURACY)
    return _last(curve[curve.index <= (at or math.inf)])


def best_accuracy_by_cost(run: Run, at: float | None) -> float:
    """The same among the trials that together cost at most `at`; a search that ended before keeps what it found."""
    assert at is not None
    if run.diverged:
        return -math.inf
    return _last(present(run, BEST_ACCURACY)[present(run, TRAINING_COST) <= at])


def _last(best: "pd.Series[float]") -> float:
    return float(best.iloc[-1]) * 100 if len(best) else -math.inf


def trials_to(run: Run, at: float | None) -> float:
    """The trials until the best validation accuracy reaches `at` points; ∞ if it never does."""
    assert at is not None
    if run.diverged:
        return math.inf
    best = present(run, BEST_ACCURACY)
    reached = best.index[best * 100 >= at]
    return float(reached[0]) if len(reached) else math.inf
