"""The number of each seed that an estimand compares, from the measures of its arms."""

import math

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.measures import log_slope, measure
from analysis.judging.stats import spread_differences
from harness.claims.estimands import FACTORS, Estimand


def paired_differences(evidence: Evidence, estimand: Estimand) -> "pd.Series[float]":
    """The differences δₛ by seed, on the scale of the test.

    difference: A − B. log_ratio: ln A − ln B. value: A. slope: of ln(measure) on ln(along). valley: the smaller end
    minus the inner arm that is best for the *other* seeds. spread: pseudo-values of ln sd(ln A) − ln sd(ln B).
    """

    def values(arm: str) -> "pd.Series[float]":
        return measure(evidence, estimand.measure, estimand.at, arm)

    def family(patterns: list[str]) -> pd.DataFrame:
        """The measure by seed, a column for each value of `along`."""
        arms = evidence.claim.arm_names(patterns)
        frame = pd.DataFrame({arm: values(arm) for arm in arms})
        frame.columns = pd.Index([evidence.of([arm])[estimand.along].iloc[0] for arm in arms])
        return frame.sort_index(axis="columns")

    if estimand.compare in ("slope", "valley"):
        frame = family(estimand.arms)
        if estimand.compare == "slope":
            return frame.apply(log_slope, axis="columns")
        return pd.Series({seed: _valley(frame, seed) for seed in frame.index}, dtype=float)
    if estimand.take:
        compared = [_taken(family([pattern]), estimand) for pattern in estimand.arms]
    else:
        compared = [values(arm) for arm in estimand.arms]
    if estimand.compare == "value":
        return compared[0]
    first, second = compared
    if estimand.compare in FACTORS:
        first, second = first.map(_log), second.map(_log)
    if estimand.compare == "spread":
        return pd.Series(spread_differences(first.tolist(), second.tolist()), index=first.index)
    with np.errstate(invalid="ignore"):  # ∞ − ∞: neither arm reached the target, so there is no difference
        return first - second


def _log(value: float) -> float:
    """ln, with −∞ for 0 and NaN below 0."""
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan


def _taken(frame: pd.DataFrame, estimand: Estimand) -> "pd.Series[float]":
    """By seed, the value of `along` that the estimand takes of a family; NaN where there is none."""
    if estimand.take == "best":
        finite = frame.where(np.isfinite(frame))
        return finite.dropna(how="all").idxmin(axis="columns").astype(float).reindex(frame.index)
    assert estimand.below is not None
    sizes = frame.columns.to_numpy(dtype=float)
    below = np.where(frame.to_numpy() < estimand.below, sizes, -math.inf).max(axis=1)
    return pd.Series(np.where(np.isfinite(below), below, math.nan), index=frame.index)


def _valley(frame: pd.DataFrame, seed: int) -> float:
    others = frame[frame.index != seed].mean().to_numpy()
    best = 1 + int(others[1:-1].argmin())
    own = frame[frame.index == seed].to_numpy()[0]
    return float(min(own[0], own[-1]) - own[best])
