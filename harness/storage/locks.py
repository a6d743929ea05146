"""What databases do not do by themselves where several processes use one: begin whole, and know who is at work in it.

Imports are made late, as `--help` loads this file.
"""

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from harness.core.errors import Held, UserError
from harness.storage.postgresql import NoConnection, locked
from harness.storage.urls import kind, sqlite_file

_SECONDS_BETWEEN_LOOKS = 1.0


def make_whole(url: str, build: Callable[[str], None]) -> None:
    """Have `build` make the SQLite database at `url`, unless it is there: whole or not at all, by one process only.

    `build` is given the address of another file, and must have closed it when it returns. Killed at any moment, this
    leaves no half-made database, and nothing that a next call minds. In a PostgreSQL database, which undoes half a
    change by itself, `build` makes what is not there, by one process at a time. Others are left alone.
    """
    if kind(url) == "postgresql":
        with locked(url, "the making of tables", wait=True):
            build(url)
    path = sqlite_file(url)
    if path is None or _is_there(path):
        return

    from filelock import FileLock

    with _writable(path), FileLock(path.with_name(f".{path.name}.lock")):
        if _is_there(path):
            return
        new = path.with_name(f".{path.name}.new")
        for left in new, *_companions(new):
            left.unlink(missing_ok=True)
        build(f"sqlite:///{new}")
        with closing(sqlite3.connect(new)) as database:
            # Readers, such as MLflow's user interface, then never keep a writer waiting.
            database.execute("PRAGMA journal_mode=WAL")
        os.replace(new, path)


class Hold(NamedTuple):
    """`check` raises `Stopped` where the hold may be lost. `is_everywhere`: it keeps processes of all machines out."""

    check: Callable[[], None]
    is_everywhere: bool


@contextmanager
def hold(url: str, what: str, waiting: Callable[[str], None] | None = None) -> Iterator[Hold]:
    """Inside, no other process can hold `what` in the database at `url`. Where one does, raises `Held`, or, with
    `waiting`, tells that once and waits until it has ended or died.

    A process that dies, however it does, holds nothing any more. In SQLite other processes of this machine are kept
    out, in PostgreSQL all, in databases of other kinds none.
    """
    told = False
    with ExitStack() as stack:
        while True:
            try:
                made = stack.enter_context(_held(url, what))
            except (Held, NoConnection) as held:
                if waiting is None or (isinstance(held, NoConnection) and not told):
                    raise
                if not told:
                    waiting(str(held))
                told = True
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            else:
                break
        yield made


@contextmanager
def _held(url: str, what: str) -> Iterator[Hold]:
    if kind(url) == "postgresql":
        with locked(url, what, wait=False) as check:
            yield Hold(check, is_everywhere=True)
        return
    here = Hold(lambda: None, is_everywhere=False)  # the system's locks do not get lost
    path = sqlite_file(url)
    if path is None:
        yield here
        return

    from filelock import FileLock, Timeout

    from harness.storage.process import this_process, told

    stem = f".{path.name}.{sha256(what.encode()).hexdigest()[:12]}"
    holder = path.with_name(f"{stem}.owner")
    lock = FileLock(path.with_name(f"{stem}.lock"), blocking=False)
    try:
        with _writable(path):
            lock.acquire()
    except Timeout:
        owner = f" ({told(holder.read_text())})" if holder.exists() else ""
        raise Held(f"{what} is being run by another process{owner}") from None
    try:
        holder.write_text(this_process())
        yield here
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Raise `UserError` where what lies beside the database cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        why = f"{path} is in a folder that cannot be written ({error.strerror})"
        raise UserError(f"{why}; choose another place or mend its permissions") from None


def _is_there(path: Path) -> bool:
    """An empty file is what another program leaves that looked for a database and found none."""
    return path.exists() and path.stat().st_size > 0


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("-journal", "-wal", "-shm")]
