"""What passes from training to whoever records it: one epoch, one reading of a probe, the data that a run used."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

# harness/training/probes/ computes these.
ProbeName = Literal["loss", "validation_loss", "roughness", "path", "trajectory", "gradient_noise", "validation_halves"]


class Reading(NamedTuple):
    """One value measured by a probe. `step` is the update after which it was measured, unless the probe says else."""

    name: str
    step: int
    value: float


class EpochMetrics(NamedTuple):
    """One epoch. Losses are mean negative log-likelihoods (nats per example), accuracies are fractions of 1.

    `train_loss` and `train_accuracy` are the lesson's measure: they are accumulated batch by batch during the epoch, so
    they average over changing weights. `val_*` are None without a validation part, `test_*` unless the test set is
    watched. A `diverged` epoch is the last of its run: it stopped after `steps` updates, at the first loss that was not
    finite, and has neither. `seconds` is training time without validation, test and probes; a run in a stack gets its
    share of the stack's time.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    samples_per_second: float
    steps: int
    diverged: bool = False
    test_loss: float | None = None
    test_accuracy: float | None = None
    readings: tuple[Reading, ...] = ()

    @property
    def examples(self) -> int:
        """The number of examples that trained in this epoch."""
        return round(self.samples_per_second * self.seconds)


def logged(metrics: EpochMetrics) -> list[Reading]:
    """What is recorded of an epoch: its own values at step = epoch, and the readings of probes at their steps."""
    values = {
        "train_loss": metrics.train_loss,
        "train_accuracy": metrics.train_accuracy,
        "val_loss": metrics.val_loss,
        "val_accuracy": metrics.val_accuracy,
        "test_loss": metrics.test_loss,
        "test_accuracy": metrics.test_accuracy,
        "epoch_updates": float(metrics.steps),
        "epoch_seconds": metrics.seconds,
        "samples_per_second": metrics.samples_per_second,
    }
    own = [Reading(name, metrics.epoch, value) for name, value in values.items() if value is not None]
    return [*own, *metrics.readings]


def best_epoch(accuracies: Sequence[float]) -> dict[str, float]:
    """The highest validation accuracy and its epoch (from 1, the first one if there are several), as metrics."""
    if not accuracies:
        return {}
    best = max(accuracies)
    return {"best_val_accuracy": best, "best_epoch": accuracies.index(best) + 1}


class DatasetRecord(NamedTuple):
    """What is recorded of a run's data. `fallback` is the reason why it is not the requested dataset, or "".

    `spec`, `target`, `header` and `ignored` are the `DataChoice` that loads the same data again.
    """

    name: str
    sha256: str
    source: str
    fallback: str
    profile: str
    spec: str
    target: str = ""
    header: str = "auto"
    ignored: tuple[str, ...] = ()
