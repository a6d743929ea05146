"""The records that pass from the machine room to whoever watches: one epoch, and the data it was trained on."""

from typing import Literal, NamedTuple

# What can be measured while a run trains; harness/probes.py says how.
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
    finite, `steps` updates in, and has neither. `seconds` is training alone: no validation, no test, no probe.
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
