"""Locks in a PostgreSQL server, gone with the connection of who holds them, and so with a process that dies.

Imports are made late, as `--help` loads this file.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from harness.core.errors import REMEDY, Held, Stopped, UserError
from harness.storage.urls import without_password

_SHORT = 63  # bytes of a connection's name that PostgreSQL keeps
_WHO = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = :key
"""


class NoConnection(UserError):
    """The server does not answer, or not to this user."""


@contextmanager
def locked(url: str, what: str, wait: bool) -> Iterator[Callable[[], None]]:
    """Inside, nobody else holds `what` in this database, as long as the function that is given raises no `Stopped`: it
    asks the connection. Without `wait`, raises `Held`, which names who holds it; `NoConnection` where there is none.
    """
    from sqlalchemy import NullPool, create_engine, text
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    from harness.storage.process import this_process, told

    key = int.from_bytes(sha256(what.encode()).digest()[:8], "big", signed=True)
    try:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        connection = engine.connect()
    except (SQLAlchemyError, ArgumentError, ImportError) as error:
        reason = " ".join(str(getattr(error, "orig", error)).split())[:200]
        remedy = "pip install '.[postgresql]'" if isinstance(error, ImportError) else "check the address"
        raise NoConnection(f"cannot open {without_password(url)} ({reason}); {remedy}") from None
    with connection:
        connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": _name(this_process())})
        if wait:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
        elif not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar():
            owner = connection.execute(text(_WHO), {"key": key}).scalar()
            raise Held(f"{what} is being run by another process ({told(owner) if owner else 'just ended'})")

        def check() -> None:
            try:
                connection.execute(text("SELECT 1"))
            except SQLAlchemyError:
                lost = f"the connection to {without_password(url)} was lost, and with it the hold on {what}"
                raise Stopped(f"{lost}; {REMEDY}", 1) from None

        try:
            yield check
        finally:
            with suppress(SQLAlchemyError):  # of a server that is gone by now
                connection.close()


def _name(process: str) -> str:
    """Short enough for PostgreSQL, with the number and start of the process, which stand last."""
    return process.encode()[-_SHORT:].decode(errors="ignore")
