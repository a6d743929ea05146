"""Worker processes on this machine: spawned, one pipe each, gone within a moment of their coordinator.

Imports no torch, so that a command can start them before it imports torch itself: then both do it at the same time.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection, forkserver, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import TYPE_CHECKING, NamedTuple

from harness.core.metrics import EpochMetrics
from harness.engines.base import Ending, Job
from harness.engines.orders import Ended, Measure, Order

if TYPE_CHECKING:
    from harness.data.dataset import Dataset

BROKEN = (EOFError, ConnectionError)  # what a pipe raises whose other end has died

_SECONDS_TO_END = 2
_SECONDS_TO_START, _SECONDS_BETWEEN_TRIES = 10, 0.1
_IMPORTED_ONCE = "harness.engines.preload"
_CONTEXT = get_context("forkserver")


class Setup(NamedTuple):
    """The first thing that a worker is told."""

    dataset: "Dataset"
    device: str


@dataclass
class Worker:
    """`open`: the jobs of its order that have not ended, by number."""

    process: ForkServerProcess
    pipe: Connection
    is_set_up: bool = False
    open: dict[int, Job] = field(default_factory=dict)
    attempt: int = 0
    told_to_stop: bool = False


class Pool:
    """`size` workers; how many may change until `start`, which returns at once, while they import torch."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: list[Worker] = []

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers)

    def __getitem__(self, position: int) -> Worker:
        return self._workers[position]

    def prepare(self) -> None:
        """Have a process import torch in the background, of which the workers are then forked."""
        _CONTEXT.set_forkserver_preload([_IMPORTED_ONCE])
        with _signals_ignored():
            forkserver.ensure_running()

    def start(self) -> None:
        """Start the workers, if they are not there yet."""
        if not self._workers:
            self.prepare()
            self._workers = [_spawn() for _ in range(self.size)]

    def replace(self, position: int) -> None:
        """A new worker in the place of one that has died."""
        dead, self._workers[position] = self[position], _spawn()
        dead.pipe.close()
        dead.process.close()

    def close(self) -> None:
        """End all workers, at once those that are at work."""
        for worker in self:
            worker.pipe.close()  # an idle worker ends by itself
        for worker in self:
            worker.process.join(_SECONDS_TO_END if worker.is_set_up and not worker.open else 0)
            worker.process.kill()
            worker.process.join()
            worker.process.close()
        self._workers = []


def _spawn() -> Worker:
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_serve, args=(theirs,), daemon=True)
    deadline = time.monotonic() + _SECONDS_TO_START
    with _signals_ignored():
        while True:
            try:
                process.start()
            except BROKEN:  # the forkserver was killed; another one is started as soon as the system says so
                if time.monotonic() > deadline:
                    raise
                time.sleep(_SECONDS_BETWEEN_TRIES)
            else:
                break
    theirs.close()
    return Worker(process, ours)


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ctrl-C, and the end of a terminal, go to all processes of the terminal; a child inherits "ignore", and is stopped
    by its coordinator instead."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGHUP) if in_main_thread else ()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(pipe: Connection) -> None:
    """The life of a worker: it is set up, receives orders, sends epochs and endings, until the coordinator is gone."""
    threading.Thread(target=_die_with_the_coordinator, daemon=True).start()

    import torch
    import torch.multiprocessing  # knows how to receive tensors in shared memory

    from harness.engines.execution import execute_all
    from harness.engines.stacking import update_costs
    from harness.training.stacked.matmul import library

    def report(epochs: Mapping[int, EpochMetrics]) -> Mapping[int, bool]:
        pipe.send(epochs)
        if not order.asks and not pipe.poll():
            return dict.fromkeys(epochs, True)
        verdicts: Mapping[int, bool] = pipe.recv()
        return verdicts

    def ended(number: int, ending: Ending) -> None:
        pipe.send(Ended(number, ending))

    with suppress(*BROKEN):
        setup: Setup = pipe.recv()
        device = setup.device
        if device == "cpu":
            torch.set_num_threads(1)
        dataset = setup.dataset.to(torch.device(device))
        while True:
            match pipe.recv():
                case Order() as order:
                    with library(order.products):
                        execute_all(order.jobs, dataset, device, report, ended, order.stacked)
                case Measure() as measure:
                    try:
                        costs = update_costs(measure, dataset, device)
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
