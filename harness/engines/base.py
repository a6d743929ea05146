"""What an engine is: it executes jobs, in whatever order, company and place, and tells what happens as events.

Engines know neither Optuna nor MLflow. How a job is executed, whichever engine does it, is in `execution.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from harness.core.config import RunConfig
from harness.core.metrics import EpochMetrics, ProbeName, Reading

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
    """`stack`: with how many runs, itself included, it is trained as one; 0 if by `train` alone. `products`: by which
    library the large matrix products of the stack are made."""

    job: Job
    attempt: int
    stack: int = 0
    products: str = ""


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
    def run(self, jobs: Sequence[Job], proceed: Proceed | None) -> Iterator[Event]:
        """Run all jobs; each gives `Started`, its `Epoch`s and one `Finished`. After `drain`, some never start.

        Without `proceed` all train to their ends, and no worker waits for whoever reads the events.
        """

    def drain(self) -> None:
        """Start nothing more and stop what runs after its epoch. May be called from a signal handler."""

    def close(self) -> None:
        """Let go of all workers, at once. The engine cannot be used afterwards."""
