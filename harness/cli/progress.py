"""How long the rest will take, and how often to say so."""

import math
import time

_SECONDS_BETWEEN_LINES = 5.0


class Eta:
    """The time left, extrapolated from the time taken so far. Cost is counted in images."""

    def __init__(self, cost: float) -> None:
        self._remaining = cost
        self._done = 0.0
        self._start = time.monotonic()

    def advance(self, cost: float) -> None:
        """Count work of this cost as done."""
        self._remaining -= cost
        self._done += cost

    def text(self) -> str:
        """`about 12 min left`, or "" before any work is done."""
        if not self._done:
            return ""
        seconds = max(self._remaining, 0.0) * (time.monotonic() - self._start) / self._done
        return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"


class Throttle:
    """Limits progress lines to one every five seconds."""

    def __init__(self) -> None:
        self._last = -math.inf

    def is_due(self, final: bool) -> bool:
        """Whether to print a line now: the first one, the `final` one, and at most one every five seconds between."""
        now = time.monotonic()
        if not final and now - self._last < _SECONDS_BETWEEN_LINES:
            return False
        self._last = now
        return True
