"""The file in which a process keeps its records until they are in MLflow: whole lines, and a lock while it lives."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from harness.core.errors import REMEDY, Stopped


class Record(NamedTuple):
    """`do` is what `handover.Writer` does for it; `run` is what `Spool.create_run` gave, or an MLflow id."""

    run: str
    do: str
    arguments: dict[str, Any]


class SpoolFile:
    """The file of one process, locked by it while it is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(_lock_of(path))
        self._opened: int | None = None

    def append(self, record: Record) -> None:
        """Whole, or not at all: raises `Stopped` where the disk is full."""
        line = json.dumps(record).encode() + b"\n"
        before = 0
        try:
            if self._opened is None:
                self._lock.acquire()
                self._opened = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            before = os.fstat(self._opened).st_size
            written = os.write(self._opened, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if self._opened is not None:
                os.ftruncate(self._opened, before)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Stopped(f"{self.path} cannot be written ({error.strerror}); {REMEDY}", 1) from None

    def empty(self) -> None:
        if self._opened is not None:
            os.ftruncate(self._opened, 0)

    def remove(self) -> None:
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None
            self.path.unlink(missing_ok=True)
            self._lock.release()
            _lock_of(self.path).unlink(missing_ok=True)


@contextmanager
def left(path: Path) -> Iterator[list[Record]]:
    """The records in the file of a process that has died; none of one that lives. Removed afterwards, unless something
    is raised meanwhile. Raises `Stopped` where it holds something else."""
    lock = FileLock(_lock_of(path), blocking=False)
    try:
        lock.acquire()
    except Timeout:
        yield []
        return
    try:
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []  # a last line that is cut was not kept
        yield [_read(line, path, number) for number, line in enumerate(lines, start=1)]
        path.unlink(missing_ok=True)
    finally:
        lock.release()
        _lock_of(path).unlink(missing_ok=True)


def _read(line: bytes, path: Path, number: int) -> Record:
    try:
        return Record(*json.loads(line))
    except (ValueError, TypeError):
        raise Stopped(f"{path}, line {number} is no record; move that file away; {REMEDY}", 1) from None


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")
