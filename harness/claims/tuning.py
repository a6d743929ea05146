"""How an lr is tuned: the score of a tuning run, and the lr that the scores choose. Analysis uses it too."""

import math
from collections import defaultdict
from collections.abc import Sequence

from harness.claims.arm import Arm
from harness.claims.claim import Claim
from harness.claims.curves import steps_to
from harness.core.metrics import EpochMetrics, ProbeName
from harness.tracking.reader import TrackedRun
from harness.tracking.schema import ARM, JUDGED_STATES, KIND, SCORE, STATE


def tuning_probes(arm: Arm) -> tuple[ProbeName, ...]:
    """The probes that a tuning run of this arm needs."""
    return () if arm.tune_to_loss is None else ("validation_loss",)


def score(arm: Arm, epochs: Sequence[EpochMetrics]) -> float:
    """The score of a complete run with these epochs; lower is better.

    Its last validation loss, or the updates to the arm's target loss, ∞ if it never reached it.
    """
    if arm.tune_to_loss is None:
        loss = epochs[-1].val_loss
        assert loss is not None
        return loss
    readings = [reading for epoch in epochs for reading in epoch.readings if reading.name == "probe_val_loss"]
    return steps_to(((reading.step, reading.value) for reading in readings), arm.tune_to_loss)


def choose_lr(claim: Claim, children: Sequence[TrackedRun]) -> dict[str, float]:
    """The lr with the lowest mean score for each tuned arm whose tuning runs are complete; the lower lr wins a tie."""
    scores: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in children:
        if run.tags[KIND] == "tuning" and run.tags.get(STATE) in JUDGED_STATES:
            scores[run.tags[ARM]][float(run.params["lr"])].append(run.metrics.get(SCORE, math.inf))
    chosen = {}
    for arm in claim.arms.values():
        tried = scores[arm.name]
        if arm.tuned and sum(map(len, tried.values())) >= len(claim.tuning_configs(arm)):
            chosen[arm.name] = min(sorted(tried), key=lambda lr: sum(tried[lr]) / len(tried[lr]))
    return chosen
