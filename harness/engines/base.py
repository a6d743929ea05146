"""What an engine is: it executes jobs, in any order, place and combination, and reports events.

Engines know neither Optuna nor MLflow. How a job is executed is in `execution.py`, for every engine.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from harness.core.config import RunConfig
from harness.core.metrics import EpochMetrics, ProbeName, Reading

MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Job:
    """One run to train. `name` is unique in its list. A `final` job is tested once and returns its weights.

    With `watch_test` the test set is measured after every epoch: only for runs that do not influence model selection.
    """

    name: str
    config: RunConfig
    final: bool = False
    watch_test: bool = False
    probes: tuple[ProbeName, ...] = ()


class JobResult(NamedTuple):
    """How a job ended. "stopped": `Proceed` returned False. "failed": it raised, or its worker died too often.

    `test` (loss, accuracy) and `weights` (the model's state as numpy arrays) belong to complete final jobs.
    `trajectory` (float16 [updates + 1, sketch]) belongs to complete jobs with that probe. `readings` are those of the
    epoch in which a run diverged. `note` says why a job diverged or failed. `parameters` is the number of trainable
    parameters of its network, 0 if it has none.
    """

    state: Literal["complete", "stopped", "diverged", "failed"]
    note: str = ""
    test: tuple[float, float] | None = None
    weights: Mapping[str, Any] | None = None
    trajectory: Any = None
    readings: tuple[Reading, ...] = ()
    parameters: int = 0


class Started(NamedTuple):
    """A job was handed to a worker.

    `stack` is the number of runs that train together, including this one; 0 if it trains alone. `matmul_backend`
    multiplies the large matrices of the stack.
    """

    job: Job
    attempt: int
    stack: int = 0
    matmul_backend: str = ""


class Epoch(NamedTuple):
    """A job finished an epoch. A diverged epoch is reported in the `JobResult` instead."""

    job: Job
    metrics: EpochMetrics


class WorkerLost(NamedTuple):
    """The worker of a job died; the job starts again as the next attempt."""

    job: Job
    attempt: int
    note: str


class Finished(NamedTuple):
    """A job has ended."""

    job: Job
    result: JobResult


Event = Started | Epoch | WorkerLost | Finished

# Called after each epoch while the worker waits, so it should be quick: whether the job trains on.
Proceed = Callable[[Job, EpochMetrics], bool]


class Engine(Protocol):
    """Executes jobs."""

    def start_workers(self) -> None:
        """Start the workers, if they are not running yet."""

    def execute(self, jobs: Sequence[Job], proceed: Proceed | None) -> Iterator[Event]:
        """Run all jobs. Each yields `Started`, its `Epoch`s and one `Finished`. After `drain`, some never start.

        Without `proceed` all jobs train to their end, and no worker waits for the reader of the events.
        """

    def drain(self) -> None:
        """Start nothing more, and stop running jobs after their epoch. Safe in a signal handler."""

    def close(self) -> None:
        """Release all workers at once. The engine cannot be used afterwards."""
