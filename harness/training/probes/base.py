"""The base class of probes, which watch one run and change nothing."""

from torch import Tensor

from harness.core.config import RunConfig
from harness.core.metrics import Reading
from harness.data.dataset import Dataset, Indices, split_indices
from harness.training.model import Model


class Probe:
    """Hooks that a probe overrides. By default they do nothing."""

    reads_gradients = False

    def __init__(self, config: RunConfig, dataset: Dataset, model: Model) -> None:
        self.config = config
        self.dataset = dataset
        self.model = model
        self.readings: list[Reading] = []

    @property
    def indices(self) -> Indices:
        """The training and the validation examples."""
        return split_indices(self.dataset.train_labels, self.config.split, self.config.seed)

    @property
    def held_out(self) -> Tensor:
        """The validation examples: int64 [n]. Raises ValueError if the split holds none out."""
        validation = self.indices.validation
        if not len(validation):
            raise ValueError('a probe of validation images needs split "search": "lesson" holds no images out')
        return validation

    def on_train_start(self) -> None:
        """Called before the first update."""

    def on_update(self, number: int, /) -> None:
        """Called after update `number` (from 1)."""

    def measure(self, number: int) -> None:
        """Called after each update for which `is_scheduled` is true, and after the last one."""

    def on_epoch_end(self, number: int) -> None:
        """Called after epoch `number` (from 1)."""

    def on_train_end(self) -> None:
        """Called after the last epoch."""

    def add_reading(self, name: str, step: int, value: float) -> None:
        """Record one value."""
        self.readings.append(Reading(name, step, value))
