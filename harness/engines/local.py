"""Runs jobs on the worker processes of this machine: one stack at a time each, one torch thread each on a CPU."""

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection

import torch.multiprocessing  # noqa: F401  # knows how to hand over tensors in shared memory

from harness.core.defaults import Library
from harness.core.metrics import EpochMetrics
from harness.data.dataset import Dataset
from harness.engines.base import Epoch, Event, Finished, Job, Lost, Proceed
from harness.engines.orders import Ended, Measure, Order
from harness.engines.planning import Planner, buried, started
from harness.engines.pool import BROKEN, Pool, Setup


class LocalEngine:
    """An `Engine` on the workers of `pool`, which share one copy of the dataset. `close` ends them.

    `products`: by which library those of stacks are made; None: every job is trained alone, by `train`.
    """

    def __init__(self, dataset: Dataset, pool: Pool, device: str, products: Library | None) -> None:
        self._dataset = dataset
        self._pool = pool
        self._device = device
        self._draining = False
        self._planner = Planner(dataset, products, self._measured)

    def start(self) -> None:
        """Start the workers, if they are not there yet, and give them the dataset."""
        self._dataset.share_memory()
        self._pool.start()
        for position in range(self._pool.size):
            self._tell(position)

    def run(self, jobs: Sequence[Job], proceed: Proceed | None) -> Iterator[Event]:
        if jobs:
            self.start()
        asks = proceed is not None
        waiting = deque(self._planner.orders(jobs, asks, self._pool.size))
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
            waiting.extendleft(self._planner.again(event, asks) for event in events if isinstance(event, Lost))

    def drain(self) -> None:
        self._draining = True

    def close(self) -> None:
        self._pool.close()

    def _measured(self, measure: Measure) -> list[dict[int, float]]:
        """By all workers at the same time."""
        for position in range(self._pool.size):
            self._tell(position, measure)
        answers = []
        for worker in self._pool:
            with suppress(*BROKEN):  # its death is found when it is given work
                answers.append(worker.pipe.recv())
        return answers

    def _hand_out(self, waiting: deque[Order]) -> list[Event]:
        events: list[Event] = []
        for position, worker in enumerate(self._pool):
            if not worker.open and waiting and not self._draining:
                order = waiting.popleft()
                self._assign(position, order)
                events += started(order)
        return events

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
        why = f"worker {worker.process.pid} {_death(worker.process.exitcode)}"
        self._pool.replace(position)
        return buried(lost, attempt, why, self._draining)


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"exited with status {exitcode}"
