"""Which work items jobs become, and what happens to the jobs of a dead worker. The same for every engine."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence

from harness.core.config import RunConfig
from harness.core.defaults import MatmulBackend
from harness.data.dataset import Dataset
from harness.engines.base import MAX_ATTEMPTS, Event, Finished, Job, JobResult, Proceed, Started, WorkerLost
from harness.engines.stacking import stacks
from harness.engines.work_items import Measure, WorkItem
from harness.training.stacked.loop import shape_of

# Measures on all workers at once: one dict (width → seconds) per worker.
MeasureAll = Callable[[Measure], Sequence[dict[int, float]]]


class Planner:
    """Plans for one dataset, and measures each shape once. With `backend` None, every job is a work item of its own."""

    def __init__(self, dataset: Dataset, backend: MatmulBackend | None, measure: MeasureAll) -> None:
        self._dataset = dataset
        self._backend = backend
        self._measure = measure
        self._costs: dict[Hashable, dict[int, float]] = {}

    def work_items(self, jobs: Sequence[Job], asks: bool, workers: int) -> list[WorkItem]:
        """What this many workers should do, in this order; longest first if something waits for all to end."""
        if self._backend is None:
            return [WorkItem([job], False, "default", asks) for job in jobs]
        planned = stacks(jobs, self._dataset, self._seconds, workers, longest_first=asks)
        return [
            WorkItem(together, stacked, self._backend if stacked else "default", asks) for together, stacked in planned
        ]

    def retry(self, lost: WorkerLost, asks: bool) -> WorkItem:
        """The next attempt of a lost job, alone, so that a job that kills workers takes no other job with it."""
        if self._backend is None or shape_of(lost.job.config, self._dataset) is None:
            return WorkItem([lost.job], False, "default", asks, lost.attempt + 1)
        return WorkItem([lost.job], True, self._backend, asks, lost.attempt + 1)

    def _seconds(self, config: RunConfig) -> dict[int, float]:
        """The update costs of the slowest worker, measured while all are busy."""
        shape = shape_of(config, self._dataset)
        if shape not in self._costs:
            answers = self._measure(Measure(config, self._backend or "default"))
            widths = set.intersection(*map(set, answers)) if answers else {1}
            self._costs[shape] = {
                width: max((costs[width] for costs in answers), default=0.0) for width in sorted(widths)
            }
        return self._costs[shape]


class PlannedEngine(ABC):
    """The loop of an engine: hand out work items, collect events, and retry what was lost."""

    _planner: Planner

    def execute(self, jobs: Sequence[Job], proceed: Proceed | None) -> Iterator[Event]:
        """See `Engine.execute`."""
        if jobs:
            self.start_workers()
        asks = proceed is not None
        waiting = deque(self._planner.work_items(jobs, asks, self._size()))
        events: list[Event] = []
        while True:
            # Hand out work first, so that workers train while the reader of these events records them.
            events += self._hand_out(waiting)
            yield from events
            if not self._is_busy():
                return
            events = self._collect(proceed)
            # What a dead worker had not finished runs again, before anything new.
            waiting.extendleft(self._planner.retry(event, asks) for event in events if isinstance(event, WorkerLost))

    @abstractmethod
    def start_workers(self) -> None:
        """See `Engine.start_workers`."""

    @abstractmethod
    def _size(self) -> int:
        """The number of workers."""

    @abstractmethod
    def _is_busy(self) -> bool:
        """Whether a worker has work."""

    @abstractmethod
    def _hand_out(self, waiting: deque[WorkItem]) -> list[Event]:
        """Give items to idle workers; the events of their start."""

    @abstractmethod
    def _collect(self, proceed: Proceed | None) -> list[Event]:
        """Wait for messages of workers, and answer them; the events they stand for."""


def started(item: WorkItem) -> list[Started]:
    """The events of an item that was handed out."""
    width, backend = (len(item.jobs), item.matmul_backend) if item.stacked else (0, "")
    return [Started(job, item.attempt, width, backend) for job in item.jobs]


def on_worker_lost(jobs: Sequence[Job], attempt: int, why: str, draining: bool) -> list[Event]:
    """The events of the jobs that a worker had not finished when it died."""
    note = f"{why} in attempt {attempt} of {MAX_ATTEMPTS}"
    if draining:
        return [Finished(job, JobResult("stopped", note)) for job in jobs]
    if attempt < MAX_ATTEMPTS:
        return [WorkerLost(job, attempt, note) for job in jobs]
    return [Finished(job, JobResult("failed", note)) for job in jobs]
