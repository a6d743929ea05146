"""Locks by name in a database: while one process runs a study, no other process can.

Imports are late, because `--help` loads this file.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from typing import Literal, NamedTuple

from harness.core.errors import AlreadyRunningError
from harness.core.files import write_atomically
from harness.storage.postgresql import ConnectionFailedError, advisory_lock
from harness.storage.sqlite import writable
from harness.storage.urls import kind, sqlite_file

_SECONDS_BETWEEN_TRIES = 1.0


class Lock(NamedTuple):
    """`check` raises `Stopped` if the lock may have been lost.

    `reach`: it keeps out all processes that use the "server", those that see the locks of a "file", or nobody ("none").
    """

    check: Callable[[], None]
    reach: Literal["server", "file", "none"]


@contextmanager
def locked(url: str, what: str, on_wait: Callable[[str], None] | None = None) -> Iterator[Lock]:
    """Hold the lock on `what` in the database at `url`. A process that dies releases its locks.

    SQLite keeps out all processes that see the file's locks, PostgreSQL all, other databases none. If another process
    holds the lock, raises `AlreadyRunningError`; with `on_wait`, reports that once and waits.
    """
    waiting = False
    with ExitStack() as stack:
        while True:
            try:
                lock = stack.enter_context(_acquired(url, what))
            except (AlreadyRunningError, ConnectionFailedError) as error:
                if on_wait is None or (isinstance(error, ConnectionFailedError) and not waiting):
                    raise
                if not waiting:
                    on_wait(str(error))
                waiting = True
                time.sleep(_SECONDS_BETWEEN_TRIES)
            else:
                break
        yield lock


@contextmanager
def _acquired(url: str, what: str) -> Iterator[Lock]:
    if kind(url) == "postgresql":
        with advisory_lock(url, what, wait=False) as check:
            yield Lock(check, "server")
        return
    path = sqlite_file(url)
    if path is None:
        yield Lock(lambda: None, "none")
        return

    from filelock import FileLock, Timeout

    from harness.storage.process import describe_owner, this_process

    path = path.resolve()  # a link to the database is the same database
    stem = f".{path.name}.{sha256(what.encode()).hexdigest()[:12]}"
    holder = path.with_name(f"{stem}.owner")
    lock = FileLock(path.with_name(f"{stem}.lock"), blocking=False)
    try:
        with writable(path):
            lock.acquire()
    except Timeout:
        owner = f" ({describe_owner(holder.read_text())})" if holder.exists() else ""
        raise AlreadyRunningError(f"{what} is being run by another process{owner}") from None
    try:
        with writable(path):
            write_atomically(holder, this_process().encode())
        yield Lock(lambda: None, "file")  # the operating system never loses a file lock
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
