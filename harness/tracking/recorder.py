"""Runs jobs on an engine and writes each to MLflow while it trains: its run, its epochs, its lost attempts.

Knows neither studies nor claims: the caller decides with which state a run ends.
"""

import math
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from harness.cli.console import Console
from harness.core.metrics import EpochMetrics
from harness.engines.base import Engine, Epoch, Finished, Job, JobResult, Proceed, Started, WorkerLost
from harness.tracking.delivery import RunDeletedError
from harness.tracking.reader import TrackedRun
from harness.tracking.schema import (
    ARM,
    ATTEMPT,
    CONFIG_HASH,
    KIND,
    MATMUL_BACKEND,
    PROBES,
    STACK,
    TRIAL,
    Kind,
    State,
)
from harness.tracking.writer import ExperimentWriter


class RecordedJob(NamedTuple):
    """A job that has ended. Its MLflow run `run` is still open: end it with `ExperimentWriter.end_run`."""

    job: Job
    run: str
    result: JobResult
    epochs: tuple[EpochMetrics, ...]

    @property
    def seconds(self) -> float:
        """Training time, without validation."""
        return sum(metrics.seconds for metrics in self.epochs)

    @property
    def cost(self) -> int:
        """The examples that trained times the trainable parameters, which no machine changes."""
        return self.result.parameters * sum(metrics.examples for metrics in self.epochs)


class Recorder:
    """Writes runs below one parent run called `name`, which `open` creates or takes over.

    Call `reconcile` before `run` if another process may have written there before.
    """

    def __init__(self, engine: Engine, writer: ExperimentWriter, console: Console) -> None:
        self.writer = writer
        self.console = console
        self.parent_id = ""
        self.name = ""
        self.stopped = False
        self._engine = engine
        self._attempts: Counter[tuple[str | None, ...]] = Counter()
        self._deadline = math.inf
        self._has_ended_one = False

    def open(self, name: str, kind: Kind, params: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> None:
        """Open the parent run called `name`."""
        self.parent_id = self.writer.open_parent(name, kind, params, tags)
        self.name = name

    def finish(self, state: State) -> None:
        """End the parent run."""
        self.writer.close_parent(self.parent_id, state)

    def limit(self, seconds: float | None) -> None:
        """`stop` after this many seconds, but not before one run has ended, so that repeated commands get on."""
        self._deadline = math.inf if seconds is None else time.monotonic() + seconds

    def stop(self) -> None:
        """Start nothing more; running jobs stop after their epoch. Safe in a signal handler."""
        self.stopped = True
        self._engine.drain()
        self.writer.stop_waiting()

    def reconcile(self) -> list[TrackedRun]:
        """The runs that a dead process left open. Also counts earlier attempts of unfinished runs."""
        open_runs = []
        for run in self.writer.read().children(self.parent_id, unfinished=True):
            self._attempts[_identity(run.tags)] += 1
            if run.status == "RUNNING":
                open_runs.append(run)
        return open_runs

    def run(
        self,
        jobs: Sequence[Job],
        kinds: Mapping[str, Kind],
        proceed: Proceed | None,
        tags: Mapping[str, Mapping[str, str]],
    ) -> Generator[RecordedJob]:
        """Run `jobs` and yield each as it ends. `kinds` and `tags` (by job name) are those of its MLflow run.

        When the generator is closed, the runs that are still open end as interrupted.
        """
        runs: dict[str, str] = {}
        epochs: dict[str, list[EpochMetrics]] = {}
        self._check_deadline()
        try:
            for event in self._engine.execute(jobs, proceed):
                name = event.job.name
                match event:
                    case Started():
                        epochs[name] = []
                        runs[name] = self._start_run(event, kinds[name], tags[name])
                    case Epoch(_, metrics):
                        epochs[name].append(metrics)
                        self.writer.log_epoch(runs[name], metrics)
                        self.console.count_epoch()
                        self._check_deadline()
                    case WorkerLost(_, _, note):
                        self.writer.end_run(runs.pop(name), "interrupted", note)
                        self.console.warn(f"{name}: {note}; the run starts again")
                    case Finished(job, result):
                        yield RecordedJob(job, runs[name], result, tuple(epochs[name]))
                        del runs[name]
                        self._has_ended_one = True
        finally:
            for run in runs.values():
                with suppress(RunDeletedError):  # the others end all the same
                    self.writer.end_run(run, "interrupted", "stopped during an epoch")

    def _check_deadline(self) -> None:
        if not self.stopped and self._has_ended_one and time.monotonic() > self._deadline:
            self.console.print("timeout reached: what is running stops after its epoch")
            self.stop()

    def _start_run(self, started: Started, kind: Kind, tags: Mapping[str, str]) -> str:
        job = started.job
        key = _identity({**tags, KIND: kind, CONFIG_HASH: job.config.content_hash})
        self._attempts[key] += 1
        own = {ATTEMPT: str(self._attempts[key])}
        if job.probes:
            own[PROBES] = " ".join(job.probes)
        if started.stack:
            own |= {STACK: str(started.stack), MATMUL_BACKEND: started.matmul_backend}
        return self.writer.start_run(self.parent_id, job.name, kind, job.config, own | dict(tags))


def _identity(tags: Mapping[str, str]) -> tuple[str | None, ...]:
    """What the attempts of one job share; its name may have been changed by hand."""
    return tuple(tags.get(name) for name in (KIND, TRIAL, ARM, CONFIG_HASH))
