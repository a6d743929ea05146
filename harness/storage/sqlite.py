"""SQLite files: created as a whole, and closed cleanly when the process exits.

Imports are late, because `--help` loads this file.
"""

import atexit
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from weakref import WeakSet

from harness.core.errors import Stopped, UserError
from harness.storage.postgresql import advisory_lock
from harness.storage.urls import kind, sqlite_file, sqlite_url


def create_atomically(url: str, build: Callable[[str], None]) -> None:
    """Create the SQLite database at `url` with `build`, unless it exists: completely or not at all, by one process.

    `build` gets the URL of a temporary file and must have closed it when it returns. A process that is killed leaves no
    partial database. In PostgreSQL, whose migrations are transactions, `build` runs in one process at a time. Other
    databases are left alone.
    """
    if kind(url) == "postgresql":
        with advisory_lock(url, "the making of tables", wait=True):
            build(url)
    path = sqlite_file(url)
    if path is None or _exists(path):
        return
    path = path.resolve()  # not the link to it

    from filelock import FileLock

    with writable(path), FileLock(path.with_name(f".{path.name}.lock")):
        if _exists(path):
            return
        new = path.with_name(f".{path.name}.new")
        for partial in new, *_companions(new):
            partial.unlink(missing_ok=True)
        build(sqlite_url(new))
        with closing(sqlite3.connect(new)) as database:
            # With a write-ahead log, readers such as MLflow's UI never block a writer.
            database.execute("PRAGMA journal_mode=WAL")
        os.replace(new, path)


@cache
def dispose_engines_at_exit() -> None:
    """Close every SQLAlchemy engine when the process exits, those of MLflow and Optuna included.

    SQLite moves its write-ahead log into the database when the last connection closes. Call this before engines are
    created.
    """
    from sqlalchemy import Connection, Engine, event

    engines: WeakSet[Engine] = WeakSet()

    def remember(connection: Connection) -> None:
        engines.add(connection.engine)

    def dispose() -> None:
        for engine in list(engines):
            engine.dispose()

    event.listen(Engine, "engine_connect", remember)
    atexit.register(dispose)


def watch(url: str) -> Callable[[], None]:
    """A function that raises `Stopped` once the SQLite file at `url`, which exists now, was removed or replaced.

    SQLite would go on writing to the old file, which nobody can read any more. Other databases are not watched.
    """
    path = sqlite_file(url)
    if path is None:
        return lambda: None
    path = path.absolute()
    before = _identity(path)

    def check() -> None:
        if _identity(path) != before:
            raise Stopped(
                f"{path} was removed or replaced while it was in use: put it back, then run the same command again", 1
            )

    return check


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Raise `UserError` if files beside the database cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{path} is on a disk that is full; make room there") from None
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        why = f"{path} is in a folder that cannot be written ({error.strerror})"
        raise UserError(f"{why}; choose another folder or fix its permissions") from None


def _exists(path: Path) -> bool:
    """An empty file does not count: another program leaves one when it looks for a database."""
    return path.exists() and path.stat().st_size > 0


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("-journal", "-wal", "-shm")]
