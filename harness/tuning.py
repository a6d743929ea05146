"""Which lr the tuning runs of a claim choose. Replicate and analysis both ask here, so that they cannot differ."""

import math
from collections import defaultdict
from collections.abc import Sequence

from harness.claims import Claim
from harness.records import ARM, KIND, STATE, TrackedRun


def choose_lr(claim: Claim, children: Sequence[TrackedRun]) -> dict[str, float]:
    """The lr with the lowest mean validation loss for each tuned arm whose tuning runs are all there.

    The lower lr wins a tie. A diverged run counts as an infinite loss; an arm all of whose runs diverged takes the
    lowest lr of the grid.
    """
    losses: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in children:
        state = run.tags.get(STATE)
        if run.tags[KIND] == "tuning" and state in ("complete", "diverged"):
            loss = math.inf if state == "diverged" else run.metrics["val_loss"]
            losses[run.tags[ARM]][float(run.params["lr"])].append(loss)
    chosen = {}
    for arm in claim.arms.values():
        tried = losses[arm.name]
        if arm.tuned and sum(map(len, tried.values())) >= len(claim.tuning_configs(arm)):
            chosen[arm.name] = min(sorted(tried), key=lambda lr: sum(tried[lr]) / len(tried[lr]))
    return chosen
