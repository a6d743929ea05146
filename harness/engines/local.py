"""Worker processes on this machine: spawned, one pipe each, one stack at a time, one torch thread each on a CPU."""

import os
import signal
import threading
from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple

from harness.cohort import shape_of
from harness.config import RunConfig
from harness.data import Dataset
from harness.engines.base import MAX_ATTEMPTS, Ending, Epoch, Event, Finished, Job, Lost, Proceed, Started
from harness.engines.stacking import stacks
from harness.metrics import EpochMetrics
from harness.products import Library, choose_library, library

_SECONDS_TO_END = 2
_BROKEN = (EOFError, ConnectionError)


class _Ended(NamedTuple):
    """What a worker says when one of its jobs has ended."""

    number: int
    ending: Ending


class _Order(NamedTuple):
    """What a worker is told to do."""

    jobs: list[Job]
    stacked: bool
    products: Library
    asks: bool
    attempt: int = 1


class _Measure(NamedTuple):
    """A worker is asked what updates of this config's shape cost; it answers with `update_costs`."""

    config: RunConfig


@dataclass
class _Worker:
    """`open`: the jobs of its order that have not ended, by number."""

    process: SpawnProcess
    pipe: Connection
    open: dict[int, Job] = field(default_factory=dict)
    attempt: int = 0
    told_to_stop: bool = False


class LocalEngine:
    """An `Engine` of `workers` processes that share one copy of the dataset.

    Without `cohort` every job is trained alone, by `train`.
    """

    def __init__(self, dataset: Dataset, workers: int, device: str, cohort: bool = True) -> None:
        self._dataset = dataset
        self._size = workers
        self._device = device
        self._cohort = cohort
        self._draining = False
        self._workers: list[_Worker] = []
        self._costs: dict[Hashable, dict[int, float]] = {}
        self._products = choose_library() if cohort and device == "cpu" else "default"

    def start(self) -> None:
        """Start the workers in the background, if they are not there yet; it takes them seconds to import torch."""
        if not self._workers:
            self._dataset.share_memory()
            self._workers = [self._spawn() for _ in range(self._size)]

    def run(self, jobs: Sequence[Job], proceed: Proceed | None) -> Iterator[Event]:
        if jobs:
            self.start()
        waiting = deque(self._orders(jobs, asks=proceed is not None))
        events: list[Event] = []
        while True:
            # Hand out work first, so that workers train while the reader of these events records them.
            events += self._hand_out(waiting)
            yield from events
            busy = {worker.pipe: position for position, worker in enumerate(self._workers) if worker.open}
            if not busy:
                return
            ready = [pipe for pipe in connection.wait(list(busy)) if isinstance(pipe, Connection)]
            events = [event for pipe in ready for event in self._listen(busy[pipe], proceed)]
            # One by one: whichever of them it was that killed the worker, the others get through.
            lost = [event for event in events if isinstance(event, Lost)]
            again = [self._order([event.job], proceed is not None, event.attempt + 1) for event in lost]
            waiting.extendleft(again)

    def drain(self) -> None:
        self._draining = True

    def close(self) -> None:
        for worker in self._workers:
            worker.pipe.close()  # an idle worker ends by itself
        for worker in self._workers:
            worker.process.join(0 if worker.open else _SECONDS_TO_END)
            worker.process.kill()
            worker.process.join()
            worker.process.close()
        self._workers = []

    def _orders(self, jobs: Sequence[Job], asks: bool) -> list[_Order]:
        if not self._cohort:
            return [_Order([job], False, "default", asks) for job in jobs]
        made = stacks(jobs, self._dataset, self._seconds, self._size)
        return [_Order(together, stacked, self._products, asks) for together, stacked in made]

    def _seconds(self, config: RunConfig) -> dict[int, float]:
        """What updates of this shape cost on a busy machine: of the slowest of all workers, at the same time."""
        shape = shape_of(config, self._dataset)
        if shape not in self._costs:
            for position in range(len(self._workers)):
                self._tell(position, _Measure(config))
            answers = []
            for worker in self._workers:
                with suppress(*_BROKEN):  # its death is found when it is given work
                    answers.append(worker.pipe.recv())
            widths = set.intersection(*map(set, answers)) if answers else {1}
            self._costs[shape] = {
                width: max((costs[width] for costs in answers), default=0.0) for width in sorted(widths)
            }
        return self._costs[shape]

    def _order(self, jobs: list[Job], asks: bool, attempt: int) -> _Order:
        stacked = self._cohort and shape_of(jobs[0].config, self._dataset) is not None
        return _Order(jobs, stacked, self._products, asks, attempt)

    def _hand_out(self, waiting: deque[_Order]) -> list[Event]:
        started: list[Event] = []
        for position, worker in enumerate(self._workers):
            if not worker.open and waiting and not self._draining:
                order = waiting.popleft()
                self._assign(position, order)
                width = len(order.jobs) if order.stacked else 0
                products = order.products if order.stacked else ""
                started += [Started(job, order.attempt, width, products) for job in order.jobs]
        return started

    def _listen(self, position: int, proceed: Proceed | None) -> list[Event]:
        worker = self._workers[position]
        try:
            message = worker.pipe.recv()
        except _BROKEN:
            return self._bury(position)
        if isinstance(message, _Ended):
            return [Finished(worker.open.pop(message.number), message.ending)]
        epochs: dict[int, EpochMetrics] = message
        with suppress(*_BROKEN):  # its death is found when it is listened to again
            if proceed is not None:
                trains_on = {number: proceed(worker.open[number], metrics) for number, metrics in epochs.items()}
                worker.pipe.send({number: yes and not self._draining for number, yes in trains_on.items()})
            elif self._draining and not worker.told_to_stop:
                worker.told_to_stop = True
                worker.pipe.send(dict.fromkeys(worker.open, False))
        return [Epoch(worker.open[number], metrics) for number, metrics in epochs.items()]

    def _assign(self, position: int, order: _Order) -> None:
        self._tell(position, order)
        worker = self._workers[position]
        worker.open, worker.attempt = dict(enumerate(order.jobs)), order.attempt

    def _tell(self, position: int, message: _Order | _Measure) -> None:
        """Send this to an idle worker, a new one if it has died meanwhile."""
        if not self._workers[position].process.is_alive():
            self._replace(position)
        with suppress(*_BROKEN):
            self._workers[position].pipe.send(message)

    def _bury(self, position: int) -> list[Event]:
        worker = self._workers[position]
        lost, attempt = list(worker.open.values()), worker.attempt
        worker.process.join()
        note = f"worker {worker.process.pid} {_death(worker.process.exitcode)} in attempt {attempt} of {MAX_ATTEMPTS}"
        self._replace(position)
        if self._draining:
            return [Finished(job, Ending("stopped", note)) for job in lost]
        if attempt < MAX_ATTEMPTS:
            return [Lost(job, attempt, note) for job in lost]
        return [Finished(job, Ending("failed", note)) for job in lost]

    def _replace(self, position: int) -> None:
        self._workers[position].pipe.close()
        self._workers[position].process.close()
        self._workers[position] = self._spawn()

    def _spawn(self) -> _Worker:
        # torch's own multiprocessing knows how to hand over tensors in shared memory.
        from torch.multiprocessing import get_context

        context: Any = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._dataset, self._device), daemon=True)
        # Ctrl-C goes to the whole terminal group; a child inherits "ignore" and is stopped by its coordinator instead.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if _in_main_thread() else None
        try:
            process.start()
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
        theirs.close()
        return _Worker(process, ours)


def _serve(pipe: Connection, dataset: Dataset, device: str) -> None:
    """The life of a worker: receive an order, send epochs and endings, until the coordinator is gone."""
    import torch

    from harness.engines.execution import execute_all
    from harness.engines.stacking import update_costs

    threading.Thread(target=_die_with_the_coordinator, daemon=True).start()
    if device == "cpu":
        torch.set_num_threads(1)
    on_device = dataset.to(torch.device(device))

    def report(epochs: Mapping[int, EpochMetrics]) -> Mapping[int, bool]:
        pipe.send(epochs)
        if not order.asks and not pipe.poll():
            return dict.fromkeys(epochs, True)
        verdicts: Mapping[int, bool] = pipe.recv()
        return verdicts

    def ended(number: int, ending: Ending) -> None:
        pipe.send(_Ended(number, ending))

    with suppress(*_BROKEN):
        while True:
            match pipe.recv():
                case _Order() as order:
                    with library(order.products):
                        execute_all(order.jobs, on_device, device, report, ended, order.stacked)
                case _Measure(config):
                    try:
                        costs = update_costs(config, on_device, device)
                    except Exception:  # noqa: BLE001  # whatever it is, the run itself meets it and fails by it
                        costs = {1: 0.0}
                    pipe.send(costs)
                case _:  # told to stop just after it had ended
                    pass


def _die_with_the_coordinator() -> None:
    coordinator = parent_process()
    assert coordinator is not None
    connection.wait([coordinator.sentinel])
    os._exit(1)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"exited with status {exitcode}"
