"""Opens Optuna's storage."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from harness.core.errors import REMEDY, Stopped, UserError
from harness.storage.sqlite import create_atomically, dispose_engines_at_exit
from harness.storage.tables import check_tables
from harness.storage.urls import kind, without_password

_SECONDS_TO_WAIT_FOR_A_LOCK = 60


def open_storage(url: str) -> RDBStorage:
    """The storage at `url`; a file is created if there is none. Raises `UserError` if it cannot be opened."""
    dispose_engines_at_exit()
    if kind(url) != "postgresql":
        check_tables(url, "studies", "--storage")
    create_atomically(url, _create_tables)
    options: dict[str, Any] = {"pool_pre_ping": True}  # a server may have been restarted
    if url.startswith("sqlite"):
        options = {"connect_args": {"timeout": _SECONDS_TO_WAIT_FOR_A_LOCK}}
    try:
        return RDBStorage(url, engine_kwargs=options)
    except RuntimeError as error:  # Optuna's tables are those of another version
        reason = str(error).partition(". ")[0]
        raise UserError(
            f"--storage {without_password(url)} was made by another version of Optuna ({reason}); install that version,"
            " or back the database up and run: optuna storage upgrade --storage URL"
        ) from None
    except (SQLAlchemyError, ArgumentError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"cannot open --storage {without_password(url)} ({reason}); check the address") from None


@contextmanager
def stop_if_storage_fails(url: str) -> Iterator[None]:
    """Raise `Stopped` if the storage cannot be read or written any more, for example because the disk is full."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", cause)).split())[:200]
        raise Stopped(f"--storage {without_password(url)} cannot be used any more: {reason}; {REMEDY}", 1) from None


def _create_tables(url: str) -> None:
    check_tables(url, "studies", "--storage")  # here, because no other process makes tables meanwhile
    storage = RDBStorage(url)
    storage.remove_session()
    storage.engine.dispose()
