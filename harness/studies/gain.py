"""What a search gained over the lesson's own setting: paired differences in test accuracy. Reads and prints nothing."""

import math
import statistics
from collections.abc import Mapping
from typing import NamedTuple

from scipy.special import stdtrit

_LEVEL = 0.975


class Gain(NamedTuple):
    """The mean of `n` paired differences in test accuracy (fractions of 1) and its 95 % interval; NaN for one pair."""

    n: int
    mean: float
    low: float
    high: float


def paired_gain(winner: Mapping[int, float], baseline: Mapping[int, float]) -> Gain:
    """The gain of the winner, paired by seed. Both map seeds to test accuracies; they share at least one seed.

    The interval is Student's t (1908), n − 1 degrees of freedom.
    """
    differences = [winner[seed] - baseline[seed] for seed in winner.keys() & baseline.keys()]
    mean, n = statistics.fmean(differences), len(differences)
    if n < 2:
        return Gain(n, mean, math.nan, math.nan)
    half = float(stdtrit(n - 1, _LEVEL)) * statistics.stdev(differences) / math.sqrt(n)
    return Gain(n, mean, mean - half, mean + half)


def gain_text(gain: Gain) -> str:
    """`0.8 points [0.3, 1.3] over the lesson's setting`, in points of accuracy (per cent)."""
    points = f"{100 * gain.mean:.1f} points"
    if gain.n < 2:
        return f"{points} over the lesson's setting, with one seed and so without an interval"
    interval = f"[{100 * gain.low:.1f}, {100 * gain.high:.1f}]"
    doubt = ", which may be chance" if gain.low <= 0 <= gain.high else ""
    return f"{points} {interval} over the lesson's setting{doubt}"
