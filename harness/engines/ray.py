"""Executes jobs as tasks of a Ray cluster: one task per work item, and one actor on the driver's node for messages."""

import functools
import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import ray
import torch
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import harness
from harness.core.defaults import MatmulBackend
from harness.core.errors import REMEDY, Stopped
from harness.core.metrics import EpochMetrics
from harness.data.dataset import Dataset
from harness.engines.base import Epoch, Event, Finished, Job, JobResult, Proceed
from harness.engines.cluster import Cluster
from harness.engines.execution import execute_all
from harness.engines.mailbox import EpochReport, Mailbox, ResultReport, StartReport
from harness.engines.planning import PlannedEngine, Planner, on_worker_lost, started
from harness.engines.stacking import update_costs
from harness.engines.work_items import Measure, WorkItem
from harness.training.stacked.matmul import use_matmul_backend

_SECONDS_BETWEEN_CHECKS = 0.5  # whether a signal handler asked to drain
_MAX_CALLS = 100_000  # at a time: each task that asks holds one
_TENSORS = ("train_inputs", "train_labels", "test_inputs", "test_labels")


class _TaskContext(NamedTuple):
    """What every task gets: a reference to the data (in a list, so that Ray does not resolve it), the device, and the
    hash of the code."""

    data: list[Any]
    sha256: str
    device: str
    code: str


@dataclass
class _Task:
    """A task and its work item. `open` are the jobs that have not ended, by number."""

    item: WorkItem
    open: dict[int, Job]
    has_started: bool = False
    has_returned: bool = False


class RayEngine(PlannedEngine):
    """An `Engine` on `cluster`, which it leaves when it is closed. Each node holds one copy of the dataset.

    `backend` multiplies the matrices of stacks; with None, every job trains alone.
    """

    def __init__(self, dataset: Dataset, cluster: Cluster, backend: MatmulBackend | None) -> None:
        self._cluster = cluster
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox: Any = (
            ray.remote(Mailbox).options(num_cpus=0, max_concurrency=_MAX_CALLS, scheduling_strategy=here).remote()
        )
        self._context = _TaskContext([ray.put(_packed(dataset))], dataset.sha256, cluster.device, _code_hash())
        options = {"num_cpus": 1, "num_gpus": cluster.gpus_per_run, "max_retries": 0, "scheduling_strategy": "SPREAD"}
        self._run_item = ray.remote(_run_item).options(**options)
        self._update_costs = ray.remote(_update_costs).options(**options)
        self._planner = Planner(dataset, backend, self._measure)
        self._numbers = count()
        self._tasks: dict[Any, tuple[int, _Task]] = {}
        self._taking: Any = None
        self._draining = self._mailbox_drains = False

    def start_workers(self) -> None:
        """Nothing: Ray starts what is needed."""

    def drain(self) -> None:
        self._draining = True

    def close(self) -> None:
        self._cluster.close()

    def _size(self) -> int:
        return self._cluster.size

    def _is_busy(self) -> bool:
        return bool(self._tasks)

    def _hand_out(self, waiting: deque[WorkItem]) -> list[Event]:
        events: list[Event] = []
        while waiting and len(self._tasks) < self._cluster.size and not self._draining:
            item, number = waiting.popleft(), next(self._numbers)
            task = self._run_item.remote(item, number, self._context, self._mailbox)
            self._tasks[task] = (number, _Task(item, dict(enumerate(item.jobs))))
            events += started(item)
        return events

    def _collect(self, proceed: Proceed | None) -> list[Event]:
        """The events of the next reports; [] if there were none for a while."""
        if self._draining and not self._mailbox_drains:
            self._mailbox_drains = True
            self._mailbox.drain.remote()
            for reference, (_, task) in self._tasks.items():
                if not task.has_started:  # it may wait for a node that is gone
                    ray.cancel(reference)
        if self._taking is None:
            self._taking = self._mailbox.take.remote()
        running = [reference for reference, (_, task) in self._tasks.items() if not task.has_returned]
        ready, _ = ray.wait([self._taking, *running], timeout=_SECONDS_BETWEEN_CHECKS)
        events: list[Event] = []
        for reference in ready:
            if reference == self._taking:
                self._taking = None
                for message in ray.get(reference):
                    events += self._handle(message, proceed)
            else:
                events += self._returned(reference)
        return events

    def _handle(self, message: StartReport | EpochReport | ResultReport, proceed: Proceed | None) -> list[Event]:
        found = [(reference, task) for reference, (item, task) in self._tasks.items() if item == message.item]
        if not found:
            return []  # a message from an abandoned attempt
        ((reference, task),) = found
        if isinstance(message, StartReport):
            task.has_started = True
            return []
        if isinstance(message, ResultReport):
            job = task.open.pop(message.number)
            if not task.open:
                del self._tasks[reference]
            return [Finished(job, message.result)]
        if proceed is not None:
            trains_on = {number: proceed(task.open[number], metrics) for number, metrics in message.epochs.items()}
            answer = {number: yes and not self._draining for number, yes in trains_on.items()}
            self._mailbox.answer.remote(message.item, answer)
        return [Epoch(task.open[number], metrics) for number, metrics in message.epochs.items()]

    def _returned(self, reference: Any) -> list[Event]:
        number, task = self._tasks[reference]
        try:
            ray.get(reference)
        except RayTaskError as error:  # a failed run raises nothing, so every task would fail
            raise Stopped(
                f"the cluster cannot run this: {' '.join(str(error.cause).split())[:300]}; {REMEDY}", 1
            ) from None
        except RayError as error:  # its process or its node died
            del self._tasks[reference]
            why = f"task {number} of the cluster was lost ({type(error).__name__})"
            return on_worker_lost(list(task.open.values()), task.item.attempt, why, self._draining)
        task.has_returned = True  # its last messages are still in the mailbox
        return []

    def _measure(self, measure: Measure) -> list[dict[int, float]]:
        tasks = [self._update_costs.remote(measure, self._context) for _ in range(self._cluster.size)]
        answers = []
        for task in tasks:
            try:
                answers.append(ray.get(task))
            except RayError:  # the run itself will fail with the same error
                continue
        return answers


def _run_item(item: WorkItem, number: int, context: _TaskContext, mailbox: Any) -> None:
    """The main function of a task."""
    ray.get(mailbox.report_start.remote(number))
    dataset = _dataset_of(context)

    def report_epoch(epochs: Mapping[int, EpochMetrics]) -> Mapping[int, bool]:
        train_on: Mapping[int, bool] = ray.get(mailbox.report_epoch.remote(number, epochs, item.asks))
        return train_on

    def report_result(job: int, result: JobResult) -> None:
        ray.get(mailbox.report_result.remote(number, job, result))

    with use_matmul_backend(item.matmul_backend):
        execute_all(item.jobs, dataset, context.device, report_epoch, report_result, item.stacked)


def _update_costs(measure: Measure, context: _TaskContext) -> dict[int, float]:
    return update_costs(measure, _dataset_of(context), context.device)


_DATASETS: dict[tuple[str, str], Dataset] = {}  # of this process, which runs one task after another


def _dataset_of(context: _TaskContext) -> Dataset:
    """The dataset, read in place from the shared memory of the node. Sets one thread, as in every worker."""
    if context.code != _code_hash():
        raise RuntimeError("a node has another version of the harness than the coordinator: install the same one")
    key = (context.sha256, context.device)
    if key not in _DATASETS:
        if context.device == "cpu":
            torch.set_num_threads(1)
        dataset, arrays = ray.get(context.data[0])
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "The given NumPy array is not writable", UserWarning
            )  # they are never written
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        _DATASETS[key] = replace(dataset, **tensors).to(torch.device(context.device))
    return _DATASETS[key]


def _packed(dataset: Dataset) -> tuple[Dataset, dict[str, Any]]:
    """The dataset without its tensors, and these as arrays, which Ray stores once per node."""
    arrays = {name: getattr(dataset, name).numpy() for name in _TENSORS}
    return replace(dataset, **{name: getattr(dataset, name)[:0] for name in _TENSORS}), arrays


@functools.cache
def _code_hash() -> str:
    """A hash of the harness's files."""
    folder = Path(harness.__file__).parent
    digest = sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
