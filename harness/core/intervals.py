"""The mean of a few values with its interval."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

_ROUNDING = 1e-12


class MeanInterval(NamedTuple):
    """A mean with its two-sided t interval at `level`; low and high are NaN for fewer than two values."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    level: float


def mean_interval(
    values: Sequence[float], level: float = 0.95, within: tuple[float, float] = (-math.inf, math.inf)
) -> MeanInterval:
    """The mean of independent values and its t interval (Student 1908), sample standard deviation (n − 1).

    The interval is cut to `within`, the values that the mean can have, which leaves its coverage as it is.
    """
    sample = np.asarray(values, dtype=float)
    n = len(sample)
    if n < 2:
        return MeanInterval(n, float(sample.mean()) if n else math.nan, math.nan, math.nan, math.nan, level)
    mean, sd = float(sample.mean()), float(sample.std(ddof=1))
    if is_constant(sample):
        return MeanInterval(n, mean, sd, mean, mean, level)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * sd / math.sqrt(n)
    low, high = np.clip([mean - half, mean + half], *within).tolist()
    return MeanInterval(n, mean, sd, low, high, level)


def is_constant(sample: npt.NDArray[np.float64]) -> bool:
    """Whether values differ only by rounding."""
    return bool(np.ptp(sample) <= _ROUNDING * np.abs(sample).max())
