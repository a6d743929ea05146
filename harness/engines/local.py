"""Worker processes on this machine: spawned, one pipe each, one job at a time, one torch thread each on a CPU."""

import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from harness.data import Dataset
from harness.engines.base import MAX_ATTEMPTS, Ending, Epoch, Event, Finished, Job, Lost, Proceed, Started, execute
from harness.metrics import EpochMetrics

_SECONDS_TO_END = 2
_BROKEN = (EOFError, ConnectionError)


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    job: Job | None = None
    attempt: int = 0


class LocalEngine:
    """An `Engine` of `workers` processes that share one copy of the dataset."""

    def __init__(self, dataset: Dataset, workers: int, device: str) -> None:
        self._dataset = dataset
        self._size = workers
        self._device = device
        self._draining = False
        self._workers: list[_Worker] = []

    def start(self) -> None:
        """Start the workers in the background, if they are not there yet; it takes them seconds to import torch."""
        if not self._workers:
            self._dataset.share_memory()
            self._workers = [self._spawn() for _ in range(self._size)]

    def run(self, jobs: Sequence[Job], proceed: Proceed) -> Iterator[Event]:
        waiting = deque((job, 1) for job in jobs)
        events: list[Event] = []
        if waiting:
            self.start()
        while True:
            # Hand out work first, so that workers train while the reader of these events records them.
            events += self._hand_out(waiting)
            yield from events
            busy = {worker.pipe: position for position, worker in enumerate(self._workers) if worker.job is not None}
            if not busy:
                return
            ready = [pipe for pipe in connection.wait(list(busy)) if isinstance(pipe, Connection)]
            events = [self._listen(busy[pipe], proceed) for pipe in ready]
            waiting.extendleft((event.job, event.attempt + 1) for event in events if isinstance(event, Lost))

    def drain(self) -> None:
        self._draining = True

    def close(self) -> None:
        for worker in self._workers:
            worker.pipe.close()  # an idle worker ends by itself
        for worker in self._workers:
            worker.process.join(_SECONDS_TO_END if worker.job is None else 0)
            worker.process.kill()
            worker.process.join()
            worker.process.close()
        self._workers = []

    def _hand_out(self, waiting: deque[tuple[Job, int]]) -> list[Event]:
        started: list[Event] = []
        for position, worker in enumerate(self._workers):
            if worker.job is None and waiting and not self._draining:
                job, attempt = waiting.popleft()
                self._assign(position, job, attempt)
                started.append(Started(job, attempt))
        return started

    def _listen(self, position: int, proceed: Proceed) -> Event:
        worker = self._workers[position]
        job = worker.job
        assert job is not None
        try:
            message = worker.pipe.recv()
        except _BROKEN:
            return self._bury(position)
        if isinstance(message, EpochMetrics):
            verdict = proceed(job, message) and not self._draining
            with suppress(*_BROKEN):  # its death is found when it is listened to again
                worker.pipe.send(verdict)
            return Epoch(job, message)
        worker.job = None
        return Finished(job, message)

    def _assign(self, position: int, job: Job, attempt: int) -> None:
        if not self._workers[position].process.is_alive():
            self._replace(position)
        worker = self._workers[position]
        worker.job, worker.attempt = job, attempt
        with suppress(*_BROKEN):
            worker.pipe.send(job)

    def _bury(self, position: int) -> Event:
        worker = self._workers[position]
        job, attempt = worker.job, worker.attempt
        assert job is not None
        worker.process.join()
        note = f"worker {worker.process.pid} {_death(worker.process.exitcode)} in attempt {attempt} of {MAX_ATTEMPTS}"
        self._replace(position)
        if self._draining:
            return Finished(job, Ending("stopped", note))
        return Lost(job, attempt, note) if attempt < MAX_ATTEMPTS else Finished(job, Ending("failed", note))

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
    """The life of a worker: receive a job, send its epochs and its ending, until the coordinator is gone."""
    import torch

    threading.Thread(target=_die_with_the_coordinator, daemon=True).start()
    if device == "cpu":
        torch.set_num_threads(1)
    on_device = dataset.to(torch.device(device))

    def report(metrics: EpochMetrics) -> bool:
        pipe.send(metrics)
        return bool(pipe.recv())

    with suppress(*_BROKEN):
        while True:
            pipe.send(execute(pipe.recv(), on_device, device, report))


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
