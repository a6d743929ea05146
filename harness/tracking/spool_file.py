"""The file that holds a process's operations until they are in MLflow: whole lines, locked while the process lives."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.core.errors import REMEDY, Stopped
from harness.tracking.operations import ARGUMENTS, Operation


class NotWrittenError(Stopped):
    """An operation is not in the file, because the disk is full."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} cannot be written ({why}); {REMEDY}", 1)


class SpoolFile:
    """The file of this process. It is locked as long as it exists."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(_lock_path(path))
        self._descriptor: int | None = None

    def append(self, operation: Operation) -> None:
        """Write one line, completely or not at all. Raises `NotWrittenError` if the disk is full."""
        line = json.dumps(operation).encode() + b"\n"
        before = 0
        try:
            if self._descriptor is None:
                self._lock.acquire()
                self._descriptor = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            before = os.fstat(self._descriptor).st_size
            written = os.write(self._descriptor, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if self._descriptor is not None:
                os.ftruncate(self._descriptor, before)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise NotWrittenError(self.path, str(error.strerror)) from None

    def clear(self) -> None:
        """Remove all lines."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)

    def remove(self) -> None:
        """Delete the file and release its lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self.path.unlink(missing_ok=True)
            self._lock.release()
            _lock_path(self.path).unlink(missing_ok=True)


@contextmanager
def recover(path: Path) -> Iterator[list[Operation]]:
    """The operations in the file of a dead process; none if the process is alive.

    Deletes the file on exit, unless an exception is raised. Raises `Stopped` if a line is not an operation, or if the
    file is a link, a folder, or another user's, who could have written anything.
    """
    lock = FileLock(_lock_path(path), blocking=False)
    try:
        lock.acquire()
    except Timeout:
        yield []
        return
    try:
        is_ours = not path.exists() or (path.is_file() and path.stat().st_uid == os.getuid())
        if path.is_symlink() or not is_ours:
            raise Stopped(f"{path} is a link, no file, or belongs to another user; move it away; {REMEDY}", 1)
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []  # drops an incomplete last line
        yield [_parse(line, path, number) for number, line in enumerate(lines, start=1)]
        path.unlink(missing_ok=True)
    finally:
        lock.release()
        _lock_path(path).unlink(missing_ok=True)


def _parse(line: bytes, path: Path, number: int) -> Operation:
    try:
        operation = Operation(*json.loads(line))
        ARGUMENTS[operation.method].model_validate(operation.arguments)
        return operation
    except (ValueError, TypeError, KeyError):
        raise Stopped(f"{path}, line {number} is not a record; move that file away; {REMEDY}", 1) from None


def _lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")
