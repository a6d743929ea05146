"""Advisory locks in a PostgreSQL server. A lock ends with its connection, so a process that dies releases it.

Imports are late, because `--help` loads this file.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from harness.core.errors import REMEDY, AlreadyRunningError, Stopped, UserError
from harness.storage.urls import without_password

if TYPE_CHECKING:
    from sqlalchemy import Engine

_SECONDS_TO_START, _SECONDS_BETWEEN_TRIES = 60, 0.5
_STARTING = (
    "the database system is starting up",
    "the database system is in recovery",
    "not yet accepting connections",
)
_MAX_NAME = 63  # bytes of a connection's name that PostgreSQL keeps
_HOLDER = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = :key
"""


class ConnectionFailedError(UserError):
    """The server does not answer, or refuses this user."""


@contextmanager
def advisory_lock(url: str, what: str, wait: bool) -> Iterator[Callable[[], None]]:
    """Hold the lock on `what` in the database at `url`. Yields a function that raises `Stopped` once the lock is lost.

    Raises `ConnectionFailedError` if the server cannot be reached. Without `wait`, raises `AlreadyRunningError`, which
    names the holder, if another connection holds the lock.
    """
    from sqlalchemy import NullPool, create_engine, text
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    from harness.storage.process import describe_owner, this_process

    key = int.from_bytes(sha256(what.encode()).digest()[:8], "big", signed=True)
    try:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        wait_until_started(engine)
        connection = engine.connect()
    except (SQLAlchemyError, ArgumentError, ImportError) as error:
        reason = " ".join(str(getattr(error, "orig", error)).split())[:200]
        remedy = "pip install '.[postgresql]'" if isinstance(error, ImportError) else "check the address"
        raise ConnectionFailedError(f"cannot open {without_password(url)} ({reason}); {remedy}") from None
    with connection:
        connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": _name(this_process())})
        if wait:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
        elif not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar():
            owner = connection.execute(text(_HOLDER), {"key": key}).scalar()
            holder = describe_owner(owner) if owner else "just ended"
            raise AlreadyRunningError(f"{what} is being run by another process ({holder})")

        def check() -> None:
            try:
                connection.execute(text("SELECT 1"))
            except SQLAlchemyError:
                lost = f"the connection to {without_password(url)} was lost, and with it the lock on {what}"
                raise Stopped(f"{lost}; {REMEDY}", 1) from None

        try:
            yield check
        finally:
            with suppress(SQLAlchemyError):  # the server may be gone
                connection.close()


def wait_until_started(engine: "Engine") -> None:
    """Wait while the server says that it starts or recovers, for a minute. Raises `OperationalError` for other errors.

    The driver gives no error code for a connection that was refused.
    """
    from sqlalchemy.exc import OperationalError

    deadline = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            engine.connect().close()
        except OperationalError as error:
            if not any(sign in str(error.orig) for sign in _STARTING) or time.monotonic() > deadline:
                raise
            time.sleep(_SECONDS_BETWEEN_TRIES)
        else:
            return


def _name(process: str) -> str:
    """The last bytes of the name, which hold the process id and its start, within PostgreSQL's limit."""
    return process.encode()[-_MAX_NAME:].decode(errors="ignore")
