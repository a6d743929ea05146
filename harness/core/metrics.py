"""The records that pass from the machine room to whoever watches: one epoch, and the data it was trained on."""

from typing import Literal, NamedTuple

# What can be measured while a run trains; harness/training/probes/registry.py says how.
ProbeName = Literal["loss", "validation_loss", "roughness", "path", "trajectory", "gradient_noise", "validation_halves"]


class Reading(NamedTuple):
    """One value that a probe took. `step` is the update after which it was taken, or what the probe says it is."""

    name: str
    step: int
    value: float


class EpochMetrics(NamedTuple):
    """One epoch. Losses are mean negative log-likelihoods (nats an image), accuracies are fractions of 1.

    `train_loss` and `train_accuracy` are the lesson's own measure: taken batch by batch while the epoch trains, so they
    average over weights that change. `val_*` are None where the split has no validation part, `test_*` where the test
    set is not watched. A `diverged` epoch is the last of its run: it stopped at the first update whose loss was not
    finite, `steps` updates in, and has neither. `seconds` is training alone: no validation, no test, no probe; of a run
    in a stack, its share of the stack's.
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


def logged(metrics: EpochMetrics) -> list[Reading]:
    """What records hold of an epoch: its own values at step = epoch, what probes read at steps of their own."""
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


class DatasetRecord(NamedTuple):
    """What a run says of its data. `fallback` is the reason why it is not the dataset that was wished for, or "".

    `wish` and `target` are the `DataChoice` that loads the same data again.
    """

    name: str
    sha256: str
    source: str
    fallback: str
    profile: str
    wish: str
    target: str = ""
