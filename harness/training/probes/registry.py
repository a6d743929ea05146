"""All probes by name, and the observer that carries those of one run: when each of them looks.

Probes only look: they draw from generators of their own and leave weights, gradients and statistics as they were.
"""

import math
from collections.abc import Sequence
from typing import Any

from harness.core.config import RunConfig
from harness.core.metrics import ProbeName, Reading
from harness.data.dataset import Dataset
from harness.training.model import MLP
from harness.training.probes.base import Probe
from harness.training.probes.loss import Loss, Roughness, ValidationHalves, ValidationLoss
from harness.training.probes.path import GradientNoise, Path, Trajectory

PER_DECADE = 40

_PROBES: dict[ProbeName, type[Probe]] = {
    "loss": Loss,
    "validation_loss": ValidationLoss,
    "roughness": Roughness,
    "path": Path,
    "trajectory": Trajectory,
    "gradient_noise": GradientNoise,
    "validation_halves": ValidationHalves,
}


def is_scheduled(update: int) -> bool:
    """Whether probes report after this update, if it is not the last: 40 a decade, so each one to 17, 100, 1,000 …"""
    if update == 1:
        return True
    return math.floor(PER_DECADE * math.log10(update)) > math.floor(PER_DECADE * math.log10(update - 1))


def read_gradients(names: Sequence[ProbeName]) -> bool:
    """Whether one of these probes looks at gradients, which a stack then has to keep."""
    return any(_PROBES[name].reads_gradients for name in names)


class Probes:
    """The `Observer` of one run: all probes of these names, made before the run starts, on its model and dataset.

    Raises ValueError where a probe cannot work under the run's split.
    """

    def __init__(self, names: Sequence[ProbeName], config: RunConfig, dataset: Dataset, model: MLP) -> None:
        self.reads_gradients = read_gradients(names)
        self._epochs = config.epochs
        self._updates = config.updates
        self._seen = 0
        self._probes = [_PROBES[name](config, dataset, model) for name in names]
        for probe in self._probes:
            probe.started()

    def updated(self, number: int) -> None:
        self._seen = number
        for probe in self._probes:
            probe.updated(number)
            if is_scheduled(number):
                probe.report(number)

    def epoch_ended(self, number: int) -> tuple[Reading, ...]:
        last = number == self._epochs or self._seen == self._updates
        taken: list[Reading] = []
        for probe in self._probes:
            probe.epoch_ended(number)
            if last:
                if not is_scheduled(self._seen):
                    probe.report(self._seen)
                probe.ended()
            taken += probe.readings
            probe.readings = []
        return tuple(taken)

    @property
    def trajectory(self) -> Any:
        """What the probe "trajectory" saw, as a numpy array, or None without it."""
        return next((probe.points.cpu().numpy() for probe in self._probes if isinstance(probe, Trajectory)), None)
