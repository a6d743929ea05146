"""Ctrl-C, SIGTERM and a closed terminal: the first signal stops after the running epochs, the second at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from harness.cli.console import Console


@contextmanager
def stop_on_signals(stop: Callable[[], None], console: Console) -> Iterator[list[int]]:
    """Call `stop` on the first signal and raise KeyboardInterrupt on the second. Yields the signals caught so far."""
    caught: list[int] = []
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        numbers.append(signal.SIGHUP)

    def handle(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        if number == signal.SIGHUP:
            _detach_from_terminal()
        if len(caught) > 1:
            raise KeyboardInterrupt
        console.print("stopping after the running epochs; press Ctrl-C again to stop at once")
        stop()

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _detach_from_terminal() -> None:
    """The terminal is gone, and every line printed to it would raise an error."""
    devnull = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(devnull, stream)
    os.close(devnull)
