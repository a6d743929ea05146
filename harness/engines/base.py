"""What an engine is: it executes jobs, in whatever order and place, and says what happens as a stream of events.

`execute` is the whole of one job, the same for every engine. Engines know neither Optuna nor MLflow.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from harness.config import RunConfig
from harness.metrics import EpochMetrics, ProbeName, Reading

if TYPE_CHECKING:
    from harness.data import Dataset

MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Job:
    """One run to train; `name` is unique in its list. A `final` one is tested once and hands its weights back.

    With `watch_test` the test set is measured after every epoch: for runs by which nothing is chosen.
    """

    name: str
    config: RunConfig
    final: bool = False
    watch_test: bool = False
    probes: tuple[ProbeName, ...] = ()


class Ending(NamedTuple):
    """How a job ended. "stopped": `Proceed` said no. "failed": it raised, or its worker died too often; see `note`.

    `test` (loss, accuracy) and `weights` (the model's state as numpy arrays) belong to final jobs that are complete,
    `trajectory` (float16 [updates + 1, sketch]) to complete jobs with the probe of that name. `readings`: what probes
    saw in the epoch in which a run diverged.
    """

    state: Literal["complete", "stopped", "diverged", "failed"]
    note: str = ""
    test: tuple[float, float] | None = None
    weights: Mapping[str, Any] | None = None
    trajectory: Any = None
    readings: tuple[Reading, ...] = ()


class Started(NamedTuple):
    job: Job
    attempt: int


class Epoch(NamedTuple):
    """A whole epoch; a diverged one is not reported here but in its job's `Ending`."""

    job: Job
    metrics: EpochMetrics


class Lost(NamedTuple):
    """The worker died in mid-run; the job starts again as the next attempt."""

    job: Job
    attempt: int
    note: str


class Finished(NamedTuple):
    job: Job
    ending: Ending


Event = Started | Epoch | Lost | Finished

# Asked after each epoch while the worker waits, so it should answer quickly: train on (True), or stop here (False)?
Proceed = Callable[[Job, EpochMetrics], bool]


class Engine(Protocol):
    def run(self, jobs: Sequence[Job], proceed: Proceed) -> Iterator[Event]:
        """Run all jobs; each gives `Started`, its `Epoch`s and one `Finished`. After `drain`, some never start."""

    def drain(self) -> None:
        """Start nothing more and stop what runs after its epoch. May be called from a signal handler."""

    def close(self) -> None:
        """Let go of all workers, at once. The engine cannot be used afterwards."""


def execute(job: Job, dataset: "Dataset", device: str, report: Callable[[EpochMetrics], bool]) -> Ending:
    """Train one job to its end, asking `report` after each epoch whether to go on. Never raises on a failed run."""
    from harness.model import initial_model
    from harness.probes import Probes
    from harness.train import evaluate, train
    from harness.two_basins import TWO_BASINS, descend

    try:
        if job.config.dataset == TWO_BASINS:
            metrics = descend(job.config)
            if metrics.diverged:
                return Ending("diverged", f"w is {metrics.train_loss} after update {metrics.steps}")
            report(metrics)
            return Ending("complete")
        model = initial_model(job.config, dataset).to(device)
        observer = Probes(job.probes, job.config, dataset, model) if job.probes else None
        epochs = train(job.config, dataset, model=model, device=device, watch_test=job.watch_test, observer=observer)
        updates = 0
        for metrics in epochs:
            if metrics.diverged:
                note = f"loss {metrics.train_loss} in epoch {metrics.epoch}, update {metrics.steps}"
                return Ending("diverged", note, readings=metrics.readings)
            updates += metrics.steps
            last = metrics.epoch == job.config.epochs or updates == job.config.updates
            if not report(metrics) and not last:
                return Ending("stopped")
        if not job.final:
            return Ending("complete", trajectory=observer.trajectory if observer else None)
        test = evaluate(model, dataset.test_inputs, dataset.test_labels)
        weights = {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
        return Ending("complete", test=test, weights=weights)
    except Exception as error:  # noqa: BLE001  # whatever a run raises is that run's end, not the search's
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Ending("failed", f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno})")
