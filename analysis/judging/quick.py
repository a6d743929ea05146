"""What a quick look is judged by: the target that all of its runs reach, as they are shorter than the claim says."""

import math

from analysis.evidence.claims import Evidence
from harness.claims.estimands import MEASURES, Estimand
from harness.tracking.schema import BEST_ACCURACY

_STEPS = 100  # targets are rounded to a hundredth of a nat or of a point


def set_nearer_targets(evidence: Evidence) -> None:
    """Replace the targets of the claim's estimands by the best loss or accuracy that every run reached, if it is worse.

    Runs that diverged do not count.
    """
    estimands = tuple(_nearer(evidence, estimand) for estimand in evidence.claim.estimands)
    evidence.claim = evidence.claim._replace(estimands=estimands)


def _nearer(evidence: Evidence, estimand: Estimand) -> Estimand:
    target = MEASURES[estimand.measure].at
    if target not in ("loss", "accuracy") or estimand.at is None:
        return estimand
    runs = evidence.of(evidence.claim.arm_names(estimand.arms))
    ended = runs[runs["state"] == "complete"]["run_id"]
    if target == "accuracy":
        found = min((float(evidence.curve(str(run), BEST_ACCURACY).max()) * 100 for run in ended), default=estimand.at)
        return estimand.model_copy(update={"at": min(estimand.at, math.floor(found * _STEPS) / _STEPS)})
    reached = max((float(evidence.curve(str(run), "probe_loss").min()) for run in ended), default=estimand.at)
    if reached <= estimand.at:
        return estimand
    return estimand.model_copy(update={"at": math.ceil(reached * _STEPS) / _STEPS})
