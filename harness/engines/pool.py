"""Worker processes on this machine, each with a pipe. They end when their coordinator ends.

Importing this module does not import torch. So a command can start workers before it imports torch itself, and both
imports overlap.
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

import psutil

from harness.core.metrics import EpochMetrics
from harness.engines.base import Job, JobResult
from harness.engines.work_items import JobEnded, Measure, WorkItem

if TYPE_CHECKING:
    from harness.data.dataset import Dataset

BROKEN = (EOFError, ConnectionError)  # raised by a pipe whose other end has died

_SECONDS_TO_END = 2
_SECONDS_TO_START, _SECONDS_BETWEEN_TRIES = 10, 0.1
_PRELOADED = "harness.engines.preload"
_CONTEXT = get_context("forkserver")


class Setup(NamedTuple):
    """The first message to a worker."""

    dataset: "Dataset"
    device: str


@dataclass
class Worker:
    """A worker process. `open` are the jobs of its work item that have not ended, by number.

    `hung`: it was killed, because `is_silent` found too often that it neither answers nor uses the processor.
    """

    process: ForkServerProcess
    pipe: Connection
    is_set_up: bool = False
    open: dict[int, Job] = field(default_factory=dict)
    attempt: int = 0
    told_to_stop: bool = False
    hung: bool = False
    _silent_looks: int = 0
    _cpu_seconds: float = -1.0

    def is_silent(self, looks: int) -> bool:
        """Whether it was stopped or hangs: in so many calls in a row, no message and no use of the processor since."""
        used = _cpu_seconds(self.process.pid)
        is_moving = used != self._cpu_seconds or self.pipe.poll()
        self._cpu_seconds = used
        self._silent_looks = 0 if is_moving else self._silent_looks + 1
        return self._silent_looks >= looks


def _end(process: ForkServerProcess) -> None:
    """Release a process that was killed. One that hangs in the kernel ends later, and is not waited for."""
    process.join(_SECONDS_TO_END)
    if process.exitcode is not None:
        process.close()


class Pool:
    """`size` workers. The size may change until `start`, which returns at once while they import torch."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: list[Worker] = []

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers)

    def __getitem__(self, position: int) -> Worker:
        return self._workers[position]

    def prepare(self) -> None:
        """Let a process import torch in the background, from which the workers are then forked."""
        _CONTEXT.set_forkserver_preload([_PRELOADED])
        with _signals_ignored():
            forkserver.ensure_running()

    def start(self) -> None:
        """Start the workers, if they are not running yet."""
        if not self._workers:
            self.prepare()
            self._workers = [_spawn() for _ in range(self.size)]

    def replace(self, position: int) -> None:
        """Replace a worker that has died."""
        dead, self._workers[position] = self[position], _spawn()
        dead.pipe.close()
        _end(dead.process)

    def close(self) -> None:
        """End all workers; busy ones are killed."""
        for worker in self:
            worker.pipe.close()  # an idle worker then ends by itself
        for worker in self:
            worker.process.join(_SECONDS_TO_END if worker.is_set_up and not worker.open else 0)
            worker.process.kill()
            _end(worker.process)
        self._workers = []


def _cpu_seconds(pid: int | None) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _spawn() -> Worker:
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_serve, args=(theirs,), daemon=True)
    deadline = time.monotonic() + _SECONDS_TO_START
    with _signals_ignored():
        while True:
            try:
                process.start()
            except BROKEN:  # the forkserver was killed; Python starts a new one once it notices
                if time.monotonic() > deadline:
                    raise
                time.sleep(_SECONDS_BETWEEN_TRIES)
            else:
                break
    theirs.close()
    return Worker(process, ours)


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ctrl-C and a closing terminal signal all processes of the terminal. Children started inside ignore both, and are
    stopped by their coordinator."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGHUP) if in_main_thread else ()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(pipe: Connection) -> None:
    """The main function of a worker: it receives work items and sends epochs and results until the coordinator ends."""
    threading.Thread(target=_exit_with_coordinator, daemon=True).start()

    import torch
    import torch.multiprocessing  # so that tensors are received through shared memory

    from harness.engines.execution import execute_all
    from harness.engines.stacking import update_costs
    from harness.training.stacked.matmul import use_matmul_backend

    def on_epoch(epochs: Mapping[int, EpochMetrics]) -> Mapping[int, bool]:
        pipe.send(epochs)
        if not item.asks and not pipe.poll():
            return dict.fromkeys(epochs, True)
        train_on: Mapping[int, bool] = pipe.recv()
        return train_on

    def on_result(number: int, result: JobResult) -> None:
        pipe.send(JobEnded(number, result))

    with suppress(*BROKEN):
        setup: Setup = pipe.recv()
        device = setup.device
        if device == "cpu":
            torch.set_num_threads(1)
        dataset = setup.dataset.to(torch.device(device))
        while True:
            match pipe.recv():
                case WorkItem() as item:
                    with use_matmul_backend(item.matmul_backend):
                        execute_all(item.jobs, dataset, device, on_epoch, on_result, item.stacked)
                case Measure() as measure:
                    try:
                        costs = update_costs(measure, dataset, device)
                    except Exception:  # noqa: BLE001  # the run itself will fail with the same error
                        costs = {1: 0.0}
                    pipe.send(costs)
                case _:  # a stop that arrives after the job has ended
                    pass


def _exit_with_coordinator() -> None:
    coordinator = parent_process()
    assert coordinator is not None
    connection.wait([coordinator.sentinel])
    os._exit(1)
