"""How long the rest of some work will take, and how often to say so."""

import math
import time

_SECONDS_BETWEEN_LINES = 5.0


class Clock:
    """How long the rest will take, from how long the work so far took; work is counted in images."""

    def __init__(self, work: float) -> None:
        self._left = work
        self._done = 0.0
        self._start = time.monotonic()

    def did(self, work: float) -> None:
        self._left -= work
        self._done += work

    def text(self) -> str:
        """`about 12 min left`, or "" before there is anything to go by."""
        if not self._done:
            return ""
        seconds = max(self._left, 0.0) * (time.monotonic() - self._start) / self._done
        return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"


class Pace:
    """Keeps lines about small pieces of work from filling the screen."""

    def __init__(self) -> None:
        self._spoke = -math.inf

    def is_due(self, last: bool) -> bool:
        """Whether to write a line now: the first time, after the last piece, else at most every five seconds."""
        now = time.monotonic()
        if not last and now - self._spoke < _SECONDS_BETWEEN_LINES:
            return False
        self._spoke = now
        return True
