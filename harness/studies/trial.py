"""A trial of a study and its outcome, as plain values."""

from typing import Any, Literal, NamedTuple

from harness.core.config import RunConfig, Split, make_config
from harness.core.defaults import LESSON, OPTIONAL, Precision
from harness.core.metrics import best_epoch
from harness.core.network import NetworkFile

EndState = Literal["complete", "pruned", "diverged", "failed"]


class Outcome(NamedTuple):
    """How a trial ended. `accuracies` are the validation accuracies by epoch, from epoch 1.

    `seconds` is training time, `cost` the examples that trained times the network's parameters. `run_id` is the uid of
    its MLflow run. `same_as` is the number of the earlier trial with the same config, whose outcome this repeats, or
    None. `learned` is False if the network only guesses.
    """

    state: EndState
    note: str
    accuracies: tuple[float, ...]
    seconds: float
    run_id: str
    same_as: int | None = None
    learned: bool = True
    cost: int = 0

    @property
    def best_metrics(self) -> dict[str, float]:
        """The highest validation accuracy and its epoch, as metrics; {} without an epoch."""
        return best_epoch(self.accuracies)


class StudyDefaults(NamedTuple):
    """What all configs of a study have in common."""

    seed: int
    dataset: str
    precision: Precision
    network: NetworkFile | None = None

    def config(self, params: dict[str, Any], split: Split, seed: int | None = None) -> RunConfig:
        """The config of a trial with these hyperparameters; the winner's runs have another `seed`."""
        fields = self._asdict() | ({} if seed is None else {"seed": seed})
        return make_config(**params, **fields, split=split)

    def lesson_config(self, split: Split, seed: int) -> RunConfig:
        """The config of the lesson's own setting, whose network is the lesson's."""
        return self._replace(network=None).config(LESSON, split, seed)


class Trial(NamedTuple):
    """One trial. `params` holds all hyperparameters of the config, including fixed ones.

    `network` is the spec of the user's own network, "" for the lesson's.
    """

    number: int
    params: dict[str, Any]
    outcome: Outcome | None
    network: str = ""

    @property
    def is_lesson(self) -> bool:
        """Whether this is the lesson's own setting."""
        return not self.network and OPTIONAL | self.params == OPTIONAL | LESSON

    @property
    def value(self) -> float:
        """The objective: validation accuracy after the config's last epoch."""
        assert self.outcome is not None, "only a trial that has ended has a value"
        return self.outcome.accuracies[-1]
