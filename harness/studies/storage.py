"""Where Optuna keeps studies."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from harness.core.errors import REMEDY, Stopped, UserError
from harness.storage.locks import make_whole
from harness.storage.urls import without_password

_SECONDS_TO_WAIT_FOR_A_LOCK = 60


def open_storage(url: str) -> RDBStorage:
    """The storage at `url`, made if it is a file that is not there. Raises `UserError` where it cannot be opened."""
    make_whole(url, _make_tables)
    options: dict[str, Any] = {"pool_pre_ping": True}  # a server may have started anew
    if url.startswith("sqlite"):
        options = {"connect_args": {"timeout": _SECONDS_TO_WAIT_FOR_A_LOCK}}
    try:
        return RDBStorage(url, engine_kwargs=options)
    except (SQLAlchemyError, ArgumentError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"cannot open --storage {without_password(url)} ({reason}); check the address") from None


@contextmanager
def stops_where_it_fails(url: str) -> Iterator[None]:
    """Inside, a storage that cannot be read or written any more, for a full disk or a lost server, raises `Stopped`."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", cause)).split())[:200]
        raise Stopped(f"--storage {without_password(url)} cannot be used any more: {reason}; {REMEDY}", 1) from None


def _make_tables(url: str) -> None:
    storage = RDBStorage(url)
    storage.remove_session()
    storage.engine.dispose()
