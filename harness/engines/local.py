"""Executes jobs on worker processes of this machine. Each trains one stack at a time, on a CPU with one thread."""

import signal
import time
from collections import deque
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection

import torch.multiprocessing  # noqa: F401  # so that tensors are sent through shared memory

from harness.core.defaults import MatmulBackend
from harness.core.metrics import EpochMetrics
from harness.data.dataset import Dataset
from harness.engines.base import Epoch, Event, Finished, Proceed
from harness.engines.planning import PlannedEngine, Planner, on_worker_lost, started
from harness.engines.pool import BROKEN, Pool, Setup, Worker
from harness.engines.work_items import JobEnded, Measure, WorkItem

_SECONDS_BETWEEN_LOOKS = 5.0
_SECONDS_TO_DIE = 5.0
_SILENT_LOOKS, _SILENT_LOOKS_DRAINING = 12, 2  # a minute; ten seconds if it is to end anyway


class LocalEngine(PlannedEngine):
    """An `Engine` on the workers of `pool`, which share one copy of the dataset. `close` ends them.

    `backend` multiplies the matrices of stacks; with None, every job trains alone. A worker that is stopped or hangs,
    so that it uses no processor for a minute, counts as dead.
    """

    def __init__(self, dataset: Dataset, pool: Pool, device: str, backend: MatmulBackend | None) -> None:
        self._dataset = dataset
        self._pool = pool
        self._device = device
        self._draining = False
        self._next_look = 0.0
        self._planner = Planner(dataset, backend, self._measure)

    def start_workers(self) -> None:
        """Start the workers, if they are not running yet, and give them the dataset."""
        self._dataset.share_memory()
        self._pool.start()
        for position in range(self._pool.size):
            self._send(position)

    def drain(self) -> None:
        self._draining = True

    def close(self) -> None:
        self._pool.close()

    def _size(self) -> int:
        return self._pool.size

    def _is_busy(self) -> bool:
        return any(worker.open for worker in self._pool)

    def _measure(self, measure: Measure) -> list[dict[int, float]]:
        """Let all workers measure at the same time."""
        for position in range(self._pool.size):
            self._send(position, measure)
        answers = []
        for worker in self._pool:
            with suppress(*BROKEN):  # a dead worker is found when it gets work
                while not worker.pipe.poll(_SECONDS_BETWEEN_LOOKS):
                    self._kill_if_silent(worker)
                answers.append(worker.pipe.recv())
        return answers

    def _hand_out(self, waiting: deque[WorkItem]) -> list[Event]:
        events: list[Event] = []
        for position, worker in enumerate(self._pool):
            if not worker.open and waiting and not self._draining:
                item = waiting.popleft()
                self._assign(position, item)
                events += started(item)
        return events

    def _collect(self, proceed: Proceed | None) -> list[Event]:
        busy = {worker.pipe: position for position, worker in enumerate(self._pool) if worker.open}
        found = connection.wait(list(busy), timeout=_SECONDS_BETWEEN_LOOKS)
        if time.monotonic() >= self._next_look:  # a suspended machine looks once, whatever time has passed
            self._next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
            for position in busy.values():
                self._kill_if_silent(self._pool[position])
        ready = [pipe for pipe in found if isinstance(pipe, Connection)]
        return [event for pipe in ready for event in self._receive(busy[pipe], proceed)]

    def _receive(self, position: int, proceed: Proceed | None) -> list[Event]:
        worker = self._pool[position]
        try:
            message = worker.pipe.recv()
        except BROKEN:
            return self._on_death(position)
        if isinstance(message, JobEnded):
            return [Finished(worker.open.pop(message.number), message.result)]
        epochs: dict[int, EpochMetrics] = message
        with suppress(*BROKEN):  # a dead worker is found at its next message
            if proceed is not None:
                trains_on = {number: proceed(worker.open[number], metrics) for number, metrics in epochs.items()}
                worker.pipe.send({number: yes and not self._draining for number, yes in trains_on.items()})
            elif self._draining and not worker.told_to_stop:
                worker.told_to_stop = True
                worker.pipe.send(dict.fromkeys(worker.open, False))
        return [Epoch(worker.open[number], metrics) for number, metrics in epochs.items()]

    def _kill_if_silent(self, worker: Worker) -> None:
        if worker.is_silent(_SILENT_LOOKS_DRAINING if self._draining else _SILENT_LOOKS):
            worker.hung = True
            worker.process.kill()

    def _assign(self, position: int, item: WorkItem) -> None:
        self._send(position, item)
        worker = self._pool[position]
        worker.open, worker.attempt = dict(enumerate(item.jobs)), item.attempt

    def _send(self, position: int, *messages: WorkItem | Measure) -> None:
        """Send messages to an idle worker, which is replaced first if it has died."""
        if not self._pool[position].process.is_alive():
            self._pool.replace(position)
        worker = self._pool[position]
        with suppress(*BROKEN):
            if not worker.is_set_up:
                worker.pipe.send(Setup(self._dataset, self._device))
                worker.is_set_up = True
            for message in messages:
                worker.pipe.send(message)

    def _on_death(self, position: int) -> list[Event]:
        worker = self._pool[position]
        lost, attempt = list(worker.open.values()), worker.attempt
        worker.process.join(_SECONDS_TO_DIE)
        silent = "answered no more and " if worker.hung else ""
        why = f"worker {worker.process.pid} {silent}{_cause(worker.process.exitcode)}"
        self._pool.replace(position)
        return on_worker_lost(lost, attempt, why, self._draining)


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"exited with status {exitcode}" if exitcode is not None else "cannot be ended"
