"""Runs jobs as tasks of a Ray cluster: a task an order, and one actor, near the coordinator, between them."""

import functools
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
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
from harness.core.defaults import Library
from harness.core.errors import REMEDY, Stopped
from harness.core.metrics import EpochMetrics
from harness.data.dataset import Dataset
from harness.engines.base import Ending, Epoch, Event, Finished, Job, Lost, Proceed
from harness.engines.cluster import Cluster  # first: what Ray reads when it is imported
from harness.engines.execution import execute_all
from harness.engines.mailbox import Began, End, Mailbox, Report
from harness.engines.orders import Measure, Order
from harness.engines.planning import Planner, buried, started
from harness.engines.stacking import update_costs
from harness.training.stacked.matmul import library

_SECONDS_BETWEEN_LOOKS = 0.5  # at whether to drain, which a signal handler says
_MOST_CALLS = 100_000  # at a time: each task that asks has one
_TENSORS = ("train_inputs", "train_labels", "test_inputs", "test_labels")


class _Place(NamedTuple):
    """What every task is told: where the data are (a reference in a list is not resolved), on what to train, which code
    it should be."""

    data: list[Any]
    sha256: str
    device: str
    code: str


@dataclass
class _Task:
    """An order that a task carries out; `open`: its jobs that have not ended, by number."""

    order: Order
    open: dict[int, Job]
    has_begun: bool = False
    has_returned: bool = False


class RayEngine:
    """An `Engine` on `cluster`, which it leaves when it is closed. Each node holds one copy of the dataset.

    `products`: by which library those of stacks are made; None: every job is trained alone, by `train`.
    """

    def __init__(self, dataset: Dataset, cluster: Cluster, products: Library | None) -> None:
        self._cluster = cluster
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox: Any = (
            ray.remote(Mailbox).options(num_cpus=0, max_concurrency=_MOST_CALLS, scheduling_strategy=here).remote()
        )
        self._place = _Place([ray.put(_packed(dataset))], dataset.sha256, cluster.device, _code())
        how = {"num_cpus": 1, "num_gpus": cluster.gpus_per_run, "max_retries": 0, "scheduling_strategy": "SPREAD"}
        self._carry_out = ray.remote(_carry_out).options(**how)
        self._measure = ray.remote(_measure).options(**how)
        self._planner = Planner(dataset, products, self._measured)
        self._numbers = count()
        self._tasks: dict[Any, tuple[int, _Task]] = {}
        self._taking: Any = None
        self._draining = self._told_to_drain = False

    def start(self) -> None:
        """Nothing: Ray starts what is needed."""

    def run(self, jobs: Sequence[Job], proceed: Proceed | None) -> Iterator[Event]:
        asks = proceed is not None
        waiting = deque(self._planner.orders(jobs, asks, self._cluster.size))
        events: list[Event] = []
        while True:
            events += self._hand_out(waiting)
            yield from events
            if not self._tasks:
                return
            events = self._listen(proceed)
            waiting.extendleft(self._planner.again(event, asks) for event in events if isinstance(event, Lost))

    def drain(self) -> None:
        self._draining = True

    def close(self) -> None:
        self._cluster.close()

    def _hand_out(self, waiting: deque[Order]) -> list[Event]:
        events: list[Event] = []
        while waiting and len(self._tasks) < self._cluster.size and not self._draining:
            order, number = waiting.popleft(), next(self._numbers)
            task = self._carry_out.remote(order, number, self._place, self._mailbox)
            self._tasks[task] = (number, _Task(order, dict(enumerate(order.jobs))))
            events += started(order)
        return events

    def _listen(self, proceed: Proceed | None) -> list[Event]:
        """What happened, as soon as something has; [] if nothing did for a while."""
        if self._draining and not self._told_to_drain:
            self._told_to_drain = True
            self._mailbox.drain.remote()
            for reference, (_, task) in self._tasks.items():
                if not task.has_begun:  # it may wait for a place that is gone
                    ray.cancel(reference)
        if self._taking is None:
            self._taking = self._mailbox.take.remote()
        at_work = [reference for reference, (_, task) in self._tasks.items() if not task.has_returned]
        ready, _ = ray.wait([self._taking, *at_work], timeout=_SECONDS_BETWEEN_LOOKS)
        events: list[Event] = []
        for reference in ready:
            if reference == self._taking:
                self._taking = None
                for message in ray.get(reference):
                    events += self._heard(message, proceed)
            else:
                events += self._returned(reference)
        return events

    def _heard(self, message: Began | Report | End, proceed: Proceed | None) -> list[Event]:
        found = [(reference, task) for reference, (order, task) in self._tasks.items() if order == message.order]
        if not found:
            return []  # of an attempt that was given up
        ((reference, task),) = found
        if isinstance(message, Began):
            task.has_begun = True
            return []
        if isinstance(message, End):
            job = task.open.pop(message.number)
            if not task.open:
                del self._tasks[reference]
            return [Finished(job, message.ending)]
        if proceed is not None:
            trains_on = {number: proceed(task.open[number], metrics) for number, metrics in message.epochs.items()}
            verdicts = {number: yes and not self._draining for number, yes in trains_on.items()}
            self._mailbox.answer.remote(message.order, verdicts)
        return [Epoch(task.open[number], metrics) for number, metrics in message.epochs.items()]

    def _returned(self, reference: Any) -> list[Event]:
        number, task = self._tasks[reference]
        try:
            ray.get(reference)
        except RayTaskError as error:  # a run that fails raises nothing: no task would get through
            raise Stopped(
                f"the cluster cannot run this: {' '.join(str(error.cause).split())[:300]}; {REMEDY}", 1
            ) from None
        except RayError as error:  # its process or its node died
            del self._tasks[reference]
            why = f"task {number} of the cluster was lost ({type(error).__name__})"
            return buried(list(task.open.values()), task.order.attempt, why, self._draining)
        task.has_returned = True  # what it said last is in the mailbox
        return []

    def _measured(self, measure: Measure) -> list[dict[int, float]]:
        tasks = [self._measure.remote(measure, self._place) for _ in range(self._cluster.size)]
        answers = []
        for task in tasks:
            try:
                answers.append(ray.get(task))
            except RayError:  # whatever it is, the run itself meets it
                continue
        return answers


def _carry_out(order: Order, number: int, place: _Place, mailbox: Any) -> None:
    """The life of a task."""
    ray.get(mailbox.began.remote(number))
    dataset = _arrived(place)

    def report(epochs: Mapping[int, EpochMetrics]) -> Mapping[int, bool]:
        verdicts: Mapping[int, bool] = ray.get(mailbox.report.remote(number, epochs, order.asks))
        return verdicts

    def ended(job: int, ending: Ending) -> None:
        ray.get(mailbox.ended.remote(number, job, ending))

    with library(order.products):
        execute_all(order.jobs, dataset, place.device, report, ended, order.stacked)


def _measure(measure: Measure, place: _Place) -> dict[int, float]:
    return update_costs(measure, _arrived(place), place.device)


_ARRIVED: dict[tuple[str, str], Dataset] = {}  # of this process, which carries out one task after another


def _arrived(place: _Place) -> Dataset:
    """The dataset, read in place from the memory that all processes of a node share. One thread, as any worker."""
    if place.code != _code():
        raise RuntimeError("a node has other code of the harness than the coordinator: install the same")
    key = (place.sha256, place.device)
    if key not in _ARRIVED:
        if place.device == "cpu":
            torch.set_num_threads(1)
        dataset, arrays = ray.get(place.data[0])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)  # nobody writes
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        _ARRIVED[key] = replace(dataset, **tensors).to(torch.device(place.device))
    return _ARRIVED[key]


def _packed(dataset: Dataset) -> tuple[Dataset, dict[str, Any]]:
    """The dataset without its tensors, and these as arrays, which Ray keeps once a node."""
    arrays = {name: getattr(dataset, name).numpy() for name in _TENSORS}
    return replace(dataset, **{name: getattr(dataset, name)[:0] for name in _TENSORS}), arrays


@functools.cache
def _code() -> str:
    """A hash of the harness's own files."""
    folder = Path(harness.__file__).parent
    digest = sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
