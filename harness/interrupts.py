"""Ctrl-C and SIGTERM: the first one stops after the running epochs, a second one at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from harness.screen import Screen


@contextmanager
def stop_on_signals(stop: Callable[[], None], screen: Screen) -> Iterator[list[int]]:
    """Inside, the first signal calls `stop`, the second raises KeyboardInterrupt; gives the signals caught so far."""
    caught: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        if len(caught) > 1:
            raise KeyboardInterrupt
        screen.say("stopping after the running epochs; once more stops at once")
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
