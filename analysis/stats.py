"""Numbers about numbers: estimates with intervals, by scipy. Draws nothing, reads no records."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class MeanInterval(NamedTuple):
    """A mean with its two-sided t interval at `level`; low and high are NaN for fewer than two values."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    level: float


def mean_interval(values: Sequence[float], level: float = 0.95) -> MeanInterval:
    """The mean of independent values and its t interval (Student 1908), sample standard deviation (n − 1)."""
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2:
        mean = float(sample.mean()) if len(sample) else float("nan")
        return MeanInterval(len(sample), mean, float("nan"), float("nan"), float("nan"), level)
    interval = stats.ttest_1samp(sample, popmean=0.0).confidence_interval(level)
    return MeanInterval(
        len(sample), float(sample.mean()), float(sample.std(ddof=1)), float(interval.low), float(interval.high), level
    )
