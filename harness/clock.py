"""How long the rest of some work will take, and when to say so."""

import math
import time

_SECONDS_BETWEEN_LINES = 5.0


class Clock:
    """How long the rest will take, from how long the work so far took; work is counted in images."""

    def __init__(self, work: float) -> None:
        self._left = work
        self._done = 0.0
        self._start = time.monotonic()
        self._spoke = -math.inf

    def did(self, work: float) -> None:
        self._left -= work
        self._done += work

    def is_time_to_speak(self, last: bool) -> bool:
        """Whether a line is due: after the last piece of work, and otherwise at most every five seconds."""
        now = time.monotonic()
        if not last and now - self._spoke < _SECONDS_BETWEEN_LINES:
            return False
        self._spoke = now
        return True

    def text(self) -> str:
        """`about 12 min left`, or "" before there is anything to go by."""
        if not self._done:
            return ""
        seconds = max(self._left, 0.0) * (time.monotonic() - self._start) / self._done
        return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"
