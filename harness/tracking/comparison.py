"""Compares the recorded metrics of a run with those of its replay, bit for bit."""

import math
import sys
from collections.abc import Mapping
from typing import NamedTuple

from harness.tracking.schema import PARAM_METRIC, TRAINING_SECONDS

History = Mapping[int, float]

# Seconds differ each time, and a tuning score is made of the other metrics.
NOT_COMPARED = ("epoch_seconds", "samples_per_second", TRAINING_SECONDS, "tuning_score")
_REPEAT_PARAMS = (PARAM_METRIC, "p.")  # of today, of earlier versions


class Difference(NamedTuple):
    """A metric that differs: in `steps` of its `total` steps, with both values at the `first` one (None: no value)."""

    metric: str
    steps: int
    total: int
    first: int
    recorded: float | None
    replayed: float | None


def is_compared(metric: str) -> bool:
    """Whether a metric of a run should come out the same when it is trained again."""
    return metric not in NOT_COMPARED and not metric.startswith(_REPEAT_PARAMS)


def differences(recorded: Mapping[str, History], replayed: Mapping[str, History]) -> list[Difference]:
    """The metrics that differ, by name, of those that are compared. A step that one side lacks differs; NaN is NaN."""
    found = []
    for metric in sorted(filter(is_compared, recorded.keys() | replayed.keys())):
        before, now = recorded.get(metric, {}), replayed.get(metric, {})
        steps = sorted(before.keys() | now.keys())
        unequal = [step for step in steps if not _is_same(before.get(step), now.get(step))]
        if unequal:
            first = unequal[0]
            found.append(Difference(metric, len(unequal), len(steps), first, before.get(first), now.get(first)))
    return found


def _is_same(recorded: float | None, replayed: float | None) -> bool:
    if recorded is None or replayed is None:
        return recorded is replayed
    if math.isinf(replayed):
        replayed = math.copysign(sys.float_info.max, replayed)  # as MLflow keeps it
    return recorded == replayed or (math.isnan(recorded) and math.isnan(replayed))
