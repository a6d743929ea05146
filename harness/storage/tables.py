"""Looks at the tables of a database before a library makes its own there.

Imports are late, because `--help` loads this package.
"""

from typing import Any

from harness.core.errors import UserError
from harness.storage.postgresql import ConnectionFailedError, wait_until_started
from harness.storage.urls import sqlite_file, without_password

_SHOWN_TABLES = 3


def check_tables(url: str, own: str, option: str) -> list[str]:
    """The tables that the database at `url` has. `own` is one that the library makes there.

    Raises `UserError` if there are tables of another program only.
    """
    from sqlalchemy import NullPool, create_engine, inspect
    from sqlalchemy.exc import SQLAlchemyError

    path = sqlite_file(url)
    if path is not None and not (path.exists() and path.stat().st_size):
        return []
    engine = create_engine(url, poolclass=NullPool)
    try:
        wait_until_started(engine)
        tables = inspect(engine).get_table_names()
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", error)).split())[:200]
        raise ConnectionFailedError(f"cannot open {without_password(url)} ({reason}); check the address") from None
    if tables and own not in tables:
        shown = ", ".join(sorted(tables)[:_SHOWN_TABLES])
        raise UserError(
            f"{option} is {without_password(url)!r}, a database of another program (it has the tables {shown}, …);"
            " name one of its own"
        )
    return tables


def read_value(url: str, query: str) -> Any:
    """The first column of the first row that `query` finds, None if there is none."""
    from sqlalchemy import NullPool, create_engine, text

    with create_engine(url, poolclass=NullPool).connect() as connection:
        return connection.execute(text(query)).scalar()
