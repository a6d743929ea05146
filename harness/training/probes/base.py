"""What every probe is: an onlooker of one run that reads values and changes nothing. Measures nothing itself."""

from torch import Tensor

from harness.core.config import RunConfig
from harness.core.metrics import Reading
from harness.data.dataset import Dataset, Indices, split_indices
from harness.training.model import MLP


class Probe:
    """What a probe may do; each of these does nothing by itself."""

    reads_gradients = False

    def __init__(self, config: RunConfig, dataset: Dataset, model: MLP) -> None:
        self.config = config
        self.dataset = dataset
        self.model = model
        self.readings: list[Reading] = []

    @property
    def indices(self) -> Indices:
        """Which images train and which validate."""
        return split_indices(self.dataset.train_labels, self.config.split, self.config.seed)

    @property
    def held_out(self) -> Tensor:
        """Which images validate: int64 [n]. Raises ValueError where the split holds none back."""
        validation = self.indices.validation
        if not len(validation):
            raise ValueError('a probe of validation images needs split "search": "lesson" holds no images back')
        return validation

    def started(self) -> None:
        pass

    def updated(self, number: int, /) -> None:
        pass

    def report(self, number: int) -> None:
        """Called after update `number` where `is_scheduled` says so, and after the run's last."""

    def epoch_ended(self, number: int) -> None:
        pass

    def ended(self) -> None:
        pass

    def read(self, name: str, step: int, value: float) -> None:
        self.readings.append(Reading(name, step, value))
