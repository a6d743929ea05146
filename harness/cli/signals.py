"""Ctrl-C, SIGTERM and a closed terminal: the first one stops after the running epochs, a second one at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from harness.cli.console import Screen


@contextmanager
def stop_on_signals(stop: Callable[[], None], screen: Screen) -> Iterator[list[int]]:
    """Inside, the first signal calls `stop`, the second raises KeyboardInterrupt; gives the signals caught so far."""
    caught: list[int] = []
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        numbers.append(signal.SIGHUP)

    def handle(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        if number == signal.SIGHUP:
            _leave_the_terminal()
        if len(caught) > 1:
            raise KeyboardInterrupt
        screen.say("stopping after the running epochs; once more stops at once")
        stop()

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_the_terminal() -> None:
    """It is gone, and every line that is printed there would be an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
