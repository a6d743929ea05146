"""What a quick look is judged by: the loss that all of its runs reach, as they are shorter than the claim says."""

import math

from analysis.evidence.claims import Evidence
from harness.claims.estimands import MEASURES, Estimand

_STEPS = 100  # targets are rounded up to a hundredth of a nat


def set_nearer_targets(evidence: Evidence) -> None:
    """Replace the loss targets of the claim's estimands by the lowest loss that every run reached, if that is higher.

    Runs that diverged do not count.
    """
    estimands = tuple(_nearer(evidence, estimand) for estimand in evidence.claim.estimands)
    evidence.claim = evidence.claim._replace(estimands=estimands)


def _nearer(evidence: Evidence, estimand: Estimand) -> Estimand:
    if MEASURES[estimand.measure].at != "loss" or estimand.at is None:
        return estimand
    runs = evidence.of(evidence.claim.arm_names(estimand.arms))
    ended = runs[runs["state"] == "complete"]["run_id"]
    reached = max((float(evidence.curve(str(run), "probe_loss").min()) for run in ended), default=estimand.at)
    if reached <= estimand.at:
        return estimand
    return estimand.model_copy(update={"at": math.ceil(reached * _STEPS) / _STEPS})
