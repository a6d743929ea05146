"""Runs jobs on the worker processes of this machine: one stack at a time each, one torch thread each on a CPU."""

import signal
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection

import torch.multiprocessing  # noqa: F401  # knows how to hand over tensors in shared memory

from harness.cohort import shape_of
from harness.config import RunConfig
from harness.data import Dataset
from harness.defaults import Library
from harness.engines.base import MAX_ATTEMPTS, Ending, Epoch, Event, Finished, Job, Lost, Proceed, Started
from harness.engines.pool import BROKEN, Ended, Measure, Order, Pool, Setup
from harness.engines.stacking import stacks
from harness.metrics import EpochMetrics
from harness.products import choose_library


class LocalEngine:
    """An `Engine` on the workers of `pool`, which share one copy of the dataset. `close` ends them.

    Without `cohort` every job is trained alone, by `train`.
    """

    def __init__(self, dataset: Dataset, pool: Pool, device: str, cohort: bool = True) -> None:
        self._dataset = dataset
        self._pool = pool
        self._device = device
        self._cohort = cohort
        self._draining = False
        self._costs: dict[Hashable, dict[int, float]] = {}
        self._products: Library = choose_library() if cohort and device == "cpu" else "default"

    def start(self) -> None:
        """Start the workers, if they are not there yet, and give them the dataset."""
        self._dataset.share_memory()
        self._pool.start()
        for position in range(self._pool.size):
            self._tell(position)

    def run(self, jobs: Sequence[Job], proceed: Proceed | None) -> Iterator[Event]:
        if jobs:
            self.start()
        waiting = deque(self._orders(jobs, asks=proceed is not None))
        events: list[Event] = []
        while True:
            # Hand out work first, so that workers train while the reader of these events records them.
            events += self._hand_out(waiting)
            yield from events
            busy = {worker.pipe: position for position, worker in enumerate(self._pool) if worker.open}
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
        self._pool.close()

    def _orders(self, jobs: Sequence[Job], asks: bool) -> list[Order]:
        if not self._cohort:
            return [Order([job], False, "default", asks) for job in jobs]
        made = stacks(jobs, self._dataset, self._seconds, self._pool.size)
        return [Order(together, stacked, self._products, asks) for together, stacked in made]

    def _seconds(self, config: RunConfig) -> dict[int, float]:
        """What updates of this shape cost on a busy machine: of the slowest of all workers, at the same time."""
        shape = shape_of(config, self._dataset)
        if shape not in self._costs:
            for position in range(self._pool.size):
                self._tell(position, Measure(config))
            answers = []
            for worker in self._pool:
                with suppress(*BROKEN):  # its death is found when it is given work
                    answers.append(worker.pipe.recv())
            widths = set.intersection(*map(set, answers)) if answers else {1}
            self._costs[shape] = {
                width: max((costs[width] for costs in answers), default=0.0) for width in sorted(widths)
            }
        return self._costs[shape]

    def _order(self, jobs: list[Job], asks: bool, attempt: int) -> Order:
        stacked = self._cohort and shape_of(jobs[0].config, self._dataset) is not None
        return Order(jobs, stacked, self._products, asks, attempt)

    def _hand_out(self, waiting: deque[Order]) -> list[Event]:
        started: list[Event] = []
        for position, worker in enumerate(self._pool):
            if not worker.open and waiting and not self._draining:
                order = waiting.popleft()
                self._assign(position, order)
                width = len(order.jobs) if order.stacked else 0
                products = order.products if order.stacked else ""
                started += [Started(job, order.attempt, width, products) for job in order.jobs]
        return started

    def _listen(self, position: int, proceed: Proceed | None) -> list[Event]:
        worker = self._pool[position]
        try:
            message = worker.pipe.recv()
        except BROKEN:
            return self._bury(position)
        if isinstance(message, Ended):
            return [Finished(worker.open.pop(message.number), message.ending)]
        epochs: dict[int, EpochMetrics] = message
        with suppress(*BROKEN):  # its death is found when it is listened to again
            if proceed is not None:
                trains_on = {number: proceed(worker.open[number], metrics) for number, metrics in epochs.items()}
                worker.pipe.send({number: yes and not self._draining for number, yes in trains_on.items()})
            elif self._draining and not worker.told_to_stop:
                worker.told_to_stop = True
                worker.pipe.send(dict.fromkeys(worker.open, False))
        return [Epoch(worker.open[number], metrics) for number, metrics in epochs.items()]

    def _assign(self, position: int, order: Order) -> None:
        self._tell(position, order)
        worker = self._pool[position]
        worker.open, worker.attempt = dict(enumerate(order.jobs)), order.attempt

    def _tell(self, position: int, *messages: Order | Measure) -> None:
        """Send these to an idle worker, a new one if it has died meanwhile."""
        if not self._pool[position].process.is_alive():
            self._pool.replace(position)
        worker = self._pool[position]
        with suppress(*BROKEN):
            if not worker.is_set_up:
                worker.pipe.send(Setup(self._dataset, self._device))
                worker.is_set_up = True
            for message in messages:
                worker.pipe.send(message)

    def _bury(self, position: int) -> list[Event]:
        worker = self._pool[position]
        lost, attempt = list(worker.open.values()), worker.attempt
        worker.process.join()
        note = f"worker {worker.process.pid} {_death(worker.process.exitcode)} in attempt {attempt} of {MAX_ATTEMPTS}"
        self._pool.replace(position)
        if self._draining:
            return [Finished(job, Ending("stopped", note)) for job in lost]
        if attempt < MAX_ATTEMPTS:
            return [Lost(job, attempt, note) for job in lost]
        return [Finished(job, Ending("failed", note)) for job in lost]


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"exited with status {exitcode}"
