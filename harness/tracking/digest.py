"""A digest of what was recorded of a run, so that a report notices numbers that were changed afterwards.

It stops accidents, not forgers: who can write to the database can write another digest too.
"""

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from harness.core.metrics import Reading
from harness.tracking.schema import DIGEST, DUPLICATE_OF, HISTORIES, OWNER, RESTORED, UID

_PREFIX = "harness."
_NOT_COVERED = (DIGEST, HISTORIES, DUPLICATE_OF, OWNER, RESTORED, UID)  # not known when a run ends, or changed later
_DIGITS = 16


class RunRecord:
    """What is written of one run, until it ends."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        self._params: dict[str, str] = {}
        self._tags = dict(tags)
        self._metrics: dict[str, dict[int, float]] = {}

    def add(
        self, metrics: Iterable[Reading], params: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        """Add what is written."""
        for name, step, value in metrics:
            self._metrics.setdefault(name, {})[step] = value
        self._params |= params or {}
        self._tags |= tags or {}

    def tags(self) -> dict[str, str]:
        """The tags that hold the digests."""
        histories = json.dumps({name: history_digest(values) for name, values in sorted(self._metrics.items())})
        last = {name: values[max(values)] for name, values in self._metrics.items()}
        return {HISTORIES: histories, DIGEST: _digest(self._params, last, self._tags | {HISTORIES: histories})}


def history_digest(values: Mapping[int, float]) -> str:
    """The digest of one metric: its value at each step."""
    return _hash([[step, _text(value)] for step, value in sorted(values.items())])


def is_as_recorded(params: Mapping[str, str], last: Mapping[str, float], tags: Mapping[str, str]) -> bool:
    """Whether params, last values of metrics, and tags are those of the digest. A run without one was not covered."""
    return DIGEST not in tags or tags[DIGEST] == _digest(params, last, tags)


def is_history_as_recorded(tags: Mapping[str, str], metric: str, values: Mapping[int, float]) -> bool:
    """Whether a metric has the values of its digest. A run without digests was not covered."""
    if HISTORIES not in tags:
        return True
    recorded: dict[str, str] = json.loads(tags[HISTORIES])
    return recorded.get(metric) == (history_digest(values) if values else None)


def _digest(params: Mapping[str, str], last: Mapping[str, float], tags: Mapping[str, str]) -> str:
    covered = {name: tags[name] for name in tags if name.startswith(_PREFIX) and name not in _NOT_COVERED}
    covered[HISTORIES] = tags.get(HISTORIES, "")
    return _hash([dict(params), {name: _text(value) for name, value in last.items()}, covered])


def _text(value: float) -> str:
    """All digits; infinity as MLflow keeps it."""
    return repr(math.copysign(sys.float_info.max, value) if math.isinf(value) else float(value))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_DIGITS]
