"""Runs jobs on an engine and writes each of them to MLflow as it happens: a run opened, its epochs, its lost attempts.

Knows nothing of Optuna: what a run means, and so how it is closed, is for the caller to say.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

from harness.cli.console import Screen
from harness.core.metrics import EpochMetrics
from harness.engines.base import Ending, Engine, Epoch, Finished, Job, Lost, Proceed, Started
from harness.tracking.reader import ATTEMPT, CONFIG_HASH, PROBES, PRODUCTS, STACK, Kind, TrackedRun
from harness.tracking.writer import Tracking


class Record(NamedTuple):
    """A job that ended, and its MLflow run, which is still open: close it with `Tracking.finish`."""

    job: Job
    run_id: str
    ending: Ending
    epochs: tuple[EpochMetrics, ...]

    @property
    def seconds(self) -> float:
        """Training time, without validation."""
        return sum(metrics.seconds for metrics in self.epochs)


class Recorder:
    """Writes runs below one parent run. `reconcile` first where another process may have been there before."""

    def __init__(self, engine: Engine, tracking: Tracking, screen: Screen, parent_id: str) -> None:
        self._engine = engine
        self._tracking = tracking
        self._screen = screen
        self._parent_id = parent_id
        self._attempts: Counter[tuple[str, str]] = Counter()

    def reconcile(self) -> list[TrackedRun]:
        """The runs that a dead process left open; also learns which attempts there were at what is not finished."""
        left = []
        for run in self._tracking.children(self._parent_id, unfinished=True):
            self._attempts[run.name, run.tags[CONFIG_HASH]] += 1
            if run.status == "RUNNING":
                left.append(run)
        return left

    def run(
        self, jobs: Sequence[Job], kind: Kind, proceed: Proceed | None, tags: Mapping[str, Mapping[str, str]]
    ) -> Generator[Record]:
        """Run `jobs` and yield a `Record` as each ends; `tags` (by job name) go on its MLflow run.

        Whatever is still open when the reader stops reading (close the iterator) is closed as interrupted.
        """
        run_ids: dict[str, str] = {}
        epochs: dict[str, list[EpochMetrics]] = {}
        try:
            for event in self._engine.run(jobs, proceed):
                name = event.job.name
                match event:
                    case Started():
                        epochs[name] = []
                        run_ids[name] = self._start(event, kind, tags[name])
                    case Epoch(_, metrics):
                        epochs[name].append(metrics)
                        self._tracking.log_epoch(run_ids[name], metrics)
                        self._screen.epoch()
                    case Lost(_, _, note):
                        self._tracking.finish(run_ids.pop(name), "interrupted", note)
                        self._screen.warn(f"{name}: {note}; it starts again")
                    case Finished(job, ending):
                        yield Record(job, run_ids[name], ending, tuple(epochs[name]))
                        del run_ids[name]
        finally:
            for run_id in run_ids.values():
                self._tracking.finish(run_id, "interrupted", "stopped before its epoch was over")

    def _start(self, started: Started, kind: Kind, tags: Mapping[str, str]) -> str:
        job = started.job
        key = (job.name, job.config.content_hash)
        self._attempts[key] += 1
        own = {ATTEMPT: str(self._attempts[key])}
        if job.probes:
            own[PROBES] = " ".join(job.probes)
        if started.stack:
            own |= {STACK: str(started.stack), PRODUCTS: started.products}
        return self._tracking.start(self._parent_id, job.name, kind, job.config, own | dict(tags))
