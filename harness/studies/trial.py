"""A trial of a study and how it ended, as plain values."""

from typing import Any, Literal, NamedTuple

from harness.core.config import RunConfig, Split, make_config
from harness.core.defaults import Precision

Ended = Literal["complete", "pruned", "diverged", "failed"]


class Outcome(NamedTuple):
    """How a trial ended. `accuracies` are validation accuracies by epoch, the first epoch first.

    `seconds` is training time; `run_id` what `Tracking.start` gave; `same_as` is the number of the trial that had this
    config before, or None.
    """

    state: Ended
    note: str
    accuracies: tuple[float, ...]
    seconds: float
    run_id: str
    same_as: int | None = None

    @property
    def best_epoch(self) -> int | None:
        """The epoch, from 1, of the highest validation accuracy; the first of equals."""
        return self.accuracies.index(max(self.accuracies)) + 1 if self.accuracies else None

    @property
    def best(self) -> dict[str, float]:
        """The highest validation accuracy and its epoch, as metrics; {} where there was no epoch."""
        if self.best_epoch is None:
            return {}
        return {"best_val_accuracy": max(self.accuracies), "best_epoch": self.best_epoch}


class Shared(NamedTuple):
    """What all configs of a study have in common."""

    seed: int
    dataset: str
    precision: Precision

    def config(self, params: dict[str, Any], split: Split, seed: int | None = None) -> RunConfig:
        """The config of a trial with these hyperparameters; under another `seed` for the winner's runs."""
        fields = self._asdict() | ({} if seed is None else {"seed": seed})
        return make_config(**params, **fields, split=split)


class Trial(NamedTuple):
    """One trial of the study; `params` holds all of the config's hyperparameters, fixed ones included."""

    number: int
    params: dict[str, Any]
    outcome: Outcome | None

    @property
    def value(self) -> float:
        """What the study maximises: validation accuracy after the config's last epoch."""
        assert self.outcome is not None, "a trial has a value once it ended"
        return self.outcome.accuracies[-1]
