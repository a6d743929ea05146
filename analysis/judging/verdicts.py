"""From evidence to verdicts, by the rules that the claim's file fixed before the runs."""

import math
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.differences import paired_differences
from analysis.judging.measures import measure
from analysis.judging.stats import (
    Effect,
    is_equivalent,
    is_share_equivalent,
    paired_effect,
    seeds_needed,
    share_effect,
)
from harness.claims.estimands import FACTORS, MEASURES, Estimand
from harness.core.language import N_, _

Label = Literal["reproduced", "direction only", "not reproduced", "inconclusive"]
Finding = Literal[
    "as claimed",
    "smaller than claimed",
    "larger than claimed",
    "of uncertain size",
    "too small to matter",
    "negligible",
    "not found",
    "reversed",
    "undecided",
]  # fmt: skip

# The label of each finding, and the reason.
RULE: dict[Finding, tuple[Label, str]] = {
    "as claimed": ("reproduced", N_("the interval lies inside what is claimed")),
    "smaller than claimed": ("direction only", N_("the effect has the claimed sign, but is short of the claimed size")),
    "larger than claimed": ("direction only", N_("the effect has the claimed sign, but is beyond the claimed size")),
    "of uncertain size": (
        "direction only",
        N_("the effect has the claimed sign, but is not all inside the claimed size"),
    ),
    "too small to matter": (
        "not reproduced",
        N_("there is an effect, too small to matter (two one-sided tests)"),
    ),
    "negligible": ("not reproduced", N_("the effect is too small to matter, if there is any (two one-sided tests)")),
    "not found": (
        "not reproduced",
        N_("the interval contains no effect and lies below the smallest effect that matters"),
    ),
    "reversed": ("not reproduced", N_("the interval lies entirely on the opposite side of no effect")),
    "undecided": ("inconclusive", N_("the interval contains both no effect and effects that matter")),
}
_SHARES = ("global_basin",)
_RNG_SEED = 20260101


class Bounds(NamedTuple):
    """The limits of an effect, on the scale of the differences: an effect inside [low, high] is as claimed.

    `matters` is the smallest effect that matters, above 0; `side` is +1 or −1, the claimed sign.
    """

    low: float
    high: float
    matters: float
    side: int


class Lost(NamedTuple):
    """Pairs without a number: `diverged` hold a run that diverged, `unreached` one that ended before its target.

    `steps`: how many updates, or trials, the longest of the latter has. `undefined`: for the others the measure has no
    meaning.
    """

    diverged: int
    unreached: int
    steps: int
    undefined: int


class Verdict(NamedTuple):
    """The verdict on one estimand. `effect`, `low` and `high` are in `unit`, a factor "×" for a log ratio.

    `differences`: by seed, on the scale of the test (logarithms for a ratio). `holm`: p adjusted over the primary
    estimands of a report, else NaN. `needed`: the seeds that would settle an inconclusive verdict, else 0. `lost`: why
    pairs have no number.
    """

    claim: str
    estimand: Estimand
    finding: Finding
    label: Label
    reason: str
    effect: float
    low: float
    high: float
    unit: str
    result: Effect
    holm: float
    needed: int
    differences: "pd.Series[float]"
    lost: Lost


def judge(evidence: Evidence, estimand: Estimand) -> Verdict:
    """The verdict on one estimand."""
    rng = np.random.default_rng(_RNG_SEED)
    differences = paired_differences(evidence, estimand)
    limits = bounds(estimand)
    if estimand.measure in _SHARES and estimand.compare == "difference":
        first, second = (measure(evidence, estimand.measure, estimand.at, arm) for arm in estimand.arms)
        result = share_effect(first.tolist(), second.tolist(), rng)
        equivalent = is_share_equivalent(first.tolist(), second.tolist(), limits.matters)
    else:
        result = paired_effect(differences.tolist(), rng)
        equivalent = is_equivalent(differences.tolist(), limits.matters)
    finding = decide(result, limits, equivalent)
    label, rule = RULE[finding]
    reason = _(rule)
    needed = 0
    if finding == "undecided" and math.isfinite(result.sd):
        needed = max(seeds_needed(result.sd, limits.matters), result.n + 1)
    if finding == "undecided" and not math.isfinite(result.estimate):
        reason = _("too few pairs have a number")
    if finding == "reversed" and not math.isfinite(result.estimate):
        reason = _("a run that diverged or never arrived counts as infinitely worse")
    if finding == "undecided" and result.undefined:
        reason = _("{reason}; {count} of {n} pairs have no value").format(
            reason=reason, count=result.undefined, n=result.n
        )
    return Verdict(
        evidence.claim.name,
        estimand,
        finding,
        label,
        reason,
        shown(estimand, result.estimate),
        shown(estimand, result.low),
        shown(estimand, result.high),
        estimand.unit,
        result,
        math.nan,
        needed,
        differences,
        _lost(evidence, estimand, differences),
    )


def judge_all(evidence: Evidence) -> list[Verdict]:
    """All estimands of a claim, the primary one first."""
    ordered = sorted(evidence.claim.estimands, key=lambda estimand: not estimand.primary)
    return [judge(evidence, estimand) for estimand in ordered]


def bounds(estimand: Estimand) -> Bounds:
    """The limits in the claim's file, on the scale of the differences."""
    scale = math.log if estimand.compare in FACTORS else float
    if estimand.claimed is None:
        assert estimand.smallest_effect is not None
        smallest = scale(estimand.smallest_effect)
        if smallest > 0:
            return Bounds(smallest, math.inf, smallest, 1)
        return Bounds(-math.inf, smallest, -smallest, -1)
    assert estimand.margin is not None
    low, high = scale(estimand.claimed - estimand.margin), scale(estimand.claimed + estimand.margin)
    return Bounds(low, high, (high - low) / 2, 1 if scale(estimand.claimed) > 0 else -1)


def decide(result: Effect, limits: Bounds, equivalent: bool) -> Finding:
    """The finding, by the interval, and by the equivalence test for an effect too small to matter."""
    if limits.low <= result.low and result.high <= limits.high:
        return "as claimed"
    low, high = (result.low, result.high) if limits.side > 0 else (-result.high, -result.low)
    there = low > 0 or high < 0
    if equivalent:
        return "too small to matter" if there else "negligible"
    if high < 0:
        return "reversed"
    if low > 0:
        if _is_beyond(result, limits):
            return "larger than claimed"
        return "smaller than claimed" if _is_short(result, limits) else "of uncertain size"
    return "not found" if high < limits.matters else "undecided"


def shown(estimand: Estimand, value: float) -> float:
    """A number on the scale of the differences as it is shown: a factor for a log ratio or a spread."""
    return math.exp(value) if estimand.compare in FACTORS and not math.isnan(value) else value


def _lost(evidence: Evidence, estimand: Estimand, differences: "pd.Series[float]") -> Lost:
    seeds = {int(str(seed)) for seed, value in differences.items() if not math.isfinite(value)}
    if not seeds:
        return Lost(0, 0, 0, 0)
    arms = evidence.claim.arm_names(estimand.arms)
    runs = evidence.of(arms)
    diverged = seeds & set(runs[runs["state"] == "diverged"]["seed"])
    unreached: dict[int, int] = {}
    target = MEASURES[estimand.measure].at
    for arm in arms if target in ("loss", "accuracy") else []:
        steps = measure(evidence, estimand.measure, estimand.at, arm)
        for row in evidence.of([arm]).to_dict("records"):
            seed, run_id = int(row["seed"]), str(row["run_id"])
            if seed in seeds - diverged and math.isinf(steps[seed]):
                length = evidence.curve(run_id, "epoch_updates").sum() if target == "loss" else row["trials"]
                unreached[seed] = max(int(length), unreached.get(seed, 0))
    undefined = seeds - diverged - unreached.keys()
    return Lost(len(diverged), len(unreached), max(unreached.values(), default=0), len(undefined))


def _is_beyond(result: Effect, limits: Bounds) -> bool:
    return result.low > limits.high if limits.side > 0 else result.high < limits.low


def _is_short(result: Effect, limits: Bounds) -> bool:
    return result.high < limits.low if limits.side > 0 else result.low > limits.high
