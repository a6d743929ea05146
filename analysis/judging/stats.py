"""Effects with intervals and tests, by scipy and statsmodels. Reads and draws nothing."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from harness.core.intervals import is_constant, mean_interval
from harness.core.language import N_

# With fewer pairs a bootstrap interval covers too little: Student's t below, BCa from here on.
MIN_FOR_BOOTSTRAP = 20
_EXACT_UP_TO = 16
_RESAMPLES = 9_999
_RANKS = N_("median, order statistics")
_Z_LEVEL, _Z_POWER = 1.96, 0.84


class Effect(NamedTuple):
    """A paired effect: `estimate` with its 95 % interval, and the p of a paired test.

    `estimate`: the mean of the differences, or their median if some are infinite (`method` says which). `sd`: sample
    standard deviation (n − 1), NaN if some are infinite. `p`: two-sided. `prob_superiority`: P(A > B), the share of
    pairs with a positive difference; ties count half. `infinite`, `undefined`: the number of pairs with ±∞ or without a
    number.
    """

    n: int
    estimate: float
    sd: float
    low: float
    high: float
    method: str
    p: float
    prob_superiority: float
    infinite: int
    undefined: int


def paired_effect(differences: Sequence[float], rng: np.random.Generator) -> Effect:
    """The effect in paired differences [n], n ≥ 2.

    Interval: Student's t for n < 20, BCa bootstrap (Efron 1987) from there on. Test: paired sign-flip permutation,
    exact up to 16 pairs, with 9,999 random flips above. If a difference is infinite (a run that never reached its
    target): the median, its interval from order statistics, and the exact sign test. An undefined difference (NaN,
    neither run reached it) counts as −∞ for the lower limit, as +∞ for the upper limit, and against the sign test.
    """
    sample = np.asarray(differences, dtype=float)
    undefined = int(np.isnan(sample).sum())
    infinite = int(np.isinf(sample).sum())
    prob_superiority = float(np.mean((sample > 0) + 0.5 * (sample == 0))) if not undefined else math.nan
    if undefined or infinite:
        least, most = (
            np.nan_to_num(sample, nan=side, posinf=math.inf, neginf=-math.inf) for side in (-math.inf, math.inf)
        )
        low, high = _median_interval(least)[0], _median_interval(most)[1]
        p = _sign_test(sample)
        estimate = float(np.median(sample))  # NaN where a difference is undefined
        return Effect(len(sample), estimate, math.nan, low, high, _RANKS, p, prob_superiority, infinite, undefined)
    mean, sd = float(sample.mean()), float(sample.std(ddof=1))
    p = sign_flip(sample, rng)
    if is_constant(sample):
        return Effect(len(sample), mean, sd, mean, mean, N_("all pairs equal"), p, prob_superiority, 0, 0)
    if len(sample) < MIN_FOR_BOOTSTRAP:
        interval = mean_interval(sample.tolist())
        return Effect(len(sample), mean, sd, interval.low, interval.high, N_("mean, t"), p, prob_superiority, 0, 0)
    bootstrap = stats.bootstrap((sample,), np.mean, method="BCa", n_resamples=_RESAMPLES, rng=rng).confidence_interval
    return Effect(
        len(sample), mean, sd, float(bootstrap.low), float(bootstrap.high), N_("mean, BCa"), p, prob_superiority, 0, 0
    )


def share_effect(a: Sequence[float], b: Sequence[float], rng: np.random.Generator) -> Effect:
    """The difference of two shares, from paired outcomes 0 or 1 [n]: Newcombe's interval, the paired sign-flip test.

    The interval (Newcombe 1998, hybrid score) treats the two shares as independent, which is conservative if pairs are
    similar. `sd`, for planning further seeds, is that of a difference of independent outcomes, with one success and
    one failure added to each share (Agresti, Caffo 2000).
    """
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    differences = first - second
    n = len(differences)
    low, high = confint_proportions_2indep(first.sum(), n, second.sum(), n, compare="diff", method="newcomb")
    prob_superiority = float(np.mean((differences > 0) + 0.5 * (differences == 0)))
    mean = float(differences.mean())
    cautious = [(outcomes.sum() + 1) / (n + 2) for outcomes in (first, second)]
    sd = math.sqrt(sum(share * (1 - share) for share in cautious))
    return Effect(
        n, mean, sd, float(low), float(high), N_("Newcombe"), sign_flip(differences, rng), prob_superiority, 0, 0
    )


def sign_flip(differences: "np.ndarray[Any, Any]", rng: np.random.Generator) -> float:
    """Two-sided p of the paired sign-flip permutation test on the mean (Fisher 1935): exact for up to 16 pairs.

    With n pairs it cannot be below 2/2ⁿ.
    """
    if not np.any(differences):
        return 1.0
    n = len(differences)
    resamples = 2**n if n <= _EXACT_UP_TO else _RESAMPLES
    result = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=resamples, vectorized=True, rng=rng
    )
    return float(result.pvalue)


def is_equivalent(differences: Sequence[float], margin: float, level: float = 0.05) -> bool:
    """Whether the mean lies within ±margin of 0: two one-sided t tests (Schuirmann 1987) at `level`."""
    sample = np.asarray(differences, dtype=float)
    if not np.all(np.isfinite(sample)):
        return False
    if is_constant(sample):
        return bool(abs(sample[0]) < margin)
    p, _, _ = DescrStatsW(sample).ttost_mean(-margin, margin)
    return bool(p < level)


def is_share_equivalent(a: Sequence[float], b: Sequence[float], margin: float) -> bool:
    """Whether two shares differ by less than `margin`: Newcombe's 90 % interval lies within ±margin."""
    n = len(a)
    low, high = confint_proportions_2indep(sum(a), n, sum(b), n, compare="diff", method="newcomb", alpha=0.1)
    return bool(-margin < low and high < margin)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for multiple comparisons (Holm 1979)."""
    return [float(p) for p in multipletests(list(p_values), method="holm")[1]]


def seeds_needed(sd: float, difference: float) -> int:
    """The number of pairs to detect `difference` with power 0.8 at level 0.05: n ≈ (1.96 + 0.84)² sd² / difference²."""
    return max(2, math.ceil((_Z_LEVEL + _Z_POWER) ** 2 * sd**2 / difference**2))


def share_interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson (1927) interval of a share."""
    low, high = proportion_confint(successes, n, method="wilson")
    return float(low), float(high)


def deviation_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the standard deviation of normal values [n], n ≥ 2, by the χ² distribution (n − 1)."""
    free = len(values) - 1
    squares = free * float(np.var(values, ddof=1))
    low, high = (math.sqrt(squares / stats.chi2.ppf(level, free)) for level in (0.975, 0.025))
    return low, high


def spread_differences(a: Sequence[float], b: Sequence[float]) -> "np.ndarray[Any, Any]":
    """The jackknife's pseudo-values [n] of ln sd(a) − ln sd(b), n ≥ 3 pairs; their mean is the estimate (Miller 1968).

    All are NaN where a value is not finite, or where a sample has no spread.
    """
    pairs = np.array([a, b], dtype=float)
    n = pairs.shape[1]

    def log_ratio(kept: "np.ndarray[Any, Any]") -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = np.log(kept.std(axis=1, ddof=1))
            return float(first - second) if np.isfinite([first, second]).all() else math.nan

    left_out = np.array([log_ratio(np.delete(pairs, position, axis=1)) for position in range(n)])
    values: np.ndarray[Any, Any] = n * log_ratio(pairs) - (n - 1) * left_out
    return values if np.isfinite(values).all() else np.full(n, math.nan)


def _median_interval(sample: "np.ndarray[Any, Any]") -> tuple[float, float]:
    """The 95 % interval of the median by order statistics; −∞ to ∞ for fewer than 6 values, which have none."""
    interval = stats.quantile_test(sample, q=0, p=0.5).confidence_interval(0.95)
    low, high = float(interval.low), float(interval.high)
    return -math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high


def _sign_test(sample: "np.ndarray[Any, Any]") -> float:
    """Two-sided p of the exact sign test without ties; undefined values get the signs that make it largest."""
    above, below, undefined = int((sample > 0).sum()), int((sample < 0).sum()), int(np.isnan(sample).sum())
    n = above + below + undefined
    if not n:
        return 1.0
    return max(float(stats.binomtest(above + positive, n).pvalue) for positive in range(undefined + 1))
