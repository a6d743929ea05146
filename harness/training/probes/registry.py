"""All probes by name, and the observer that runs those of one run at the scheduled updates.

Probes change nothing: they have their own generators and leave weights, gradients and statistics as they were.
"""

import math
from collections.abc import Sequence
from typing import Any

from harness.core.config import RunConfig
from harness.core.metrics import ProbeName, Reading
from harness.data.dataset import Dataset
from harness.training.model import Model
from harness.training.probes.base import Probe
from harness.training.probes.loss import Loss, Roughness, ValidationHalves, ValidationLoss
from harness.training.probes.path import GradientNoise, Trajectory, WeightPath

PER_DECADE = 40

_PROBES: dict[ProbeName, type[Probe]] = {
    "loss": Loss,
    "validation_loss": ValidationLoss,
    "roughness": Roughness,
    "path": WeightPath,
    "trajectory": Trajectory,
    "gradient_noise": GradientNoise,
    "validation_halves": ValidationHalves,
}


def is_scheduled(update: int) -> bool:
    """Whether probes measure after this update, unless it is the last one: 40 per decade, and each of the first 17."""
    if update == 1:
        return True
    return math.floor(PER_DECADE * math.log10(update)) > math.floor(PER_DECADE * math.log10(update - 1))


def read_gradients(names: Sequence[ProbeName]) -> bool:
    """Whether one of these probes reads gradients, which a stack then has to keep."""
    return any(_PROBES[name].reads_gradients for name in names)


class Probes:
    """The `Observer` of one run. Create it before the run starts, with the run's model and dataset.

    Raises ValueError if a probe does not work with the run's split.
    """

    def __init__(self, names: Sequence[ProbeName], config: RunConfig, dataset: Dataset, model: Model) -> None:
        self.reads_gradients = read_gradients(names)
        self._epochs = config.epochs
        self._updates = config.updates
        self._last_update = 0
        self._probes = [_PROBES[name](config, dataset, model) for name in names]
        for probe in self._probes:
            probe.on_train_start()

    def on_update(self, number: int) -> None:
        self._last_update = number
        for probe in self._probes:
            probe.on_update(number)
            if is_scheduled(number):
                probe.measure(number)

    def on_epoch_end(self, number: int) -> tuple[Reading, ...]:
        last = number == self._epochs or self._last_update == self._updates
        taken: list[Reading] = []
        for probe in self._probes:
            probe.on_epoch_end(number)
            if last:
                if not is_scheduled(self._last_update):
                    probe.measure(self._last_update)
                probe.on_train_end()
            taken += probe.readings
            probe.readings = []
        return tuple(taken)

    @property
    def trajectory(self) -> Any:
        """The points of the probe "trajectory" as a numpy array, or None without it."""
        return next((probe.points.cpu().numpy() for probe in self._probes if isinstance(probe, Trajectory)), None)
