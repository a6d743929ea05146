"""Calls to MLflow that are retried while its store is busy or unavailable.

A call may be made twice if only its answer was lost. MLflow tolerates that, except for `create_run`, which therefore
looks for the run first, and for a model, whose retried upload may leave an unused copy.
"""

import errno
import logging
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import NoReturn, TypeVar
from uuid import uuid4

from harness.tracking import settings  # noqa: F401  # before MLflow is imported

# isort: split
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from requests import RequestException
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_fixed

from harness.core.errors import REMEDY, Stopped, UserError
from harness.storage.sqlite import watch
from harness.storage.urls import without_password
from harness.tracking.migrations import check_schema
from harness.tracking.schema import UID
from harness.tracking.settings import quiet_mlflow

SECONDS = 600.0
_SECONDS_BETWEEN = 2.0
_SERVER_ERROR, _TOO_MANY_REQUESTS = 500, 429
_NO_ACCESS = (401, 403)
_UNIQUE_VIOLATIONS = ("UNIQUE constraint failed", "UniqueViolation")  # of SQLite, of PostgreSQL
_log = logging.getLogger("harness")
T = TypeVar("T")


class RetryingClient:
    """Calls an `MlflowClient` of the store at `uri` until the call succeeds: for `SECONDS`, or `retry_forever`.

    `unavailable` is the reason why a call is being retried at this moment, or "". `meanwhile` is added to the warning.
    """

    def __init__(self, uri: str, retry_forever: bool = False, meanwhile: str = "") -> None:
        quiet_mlflow()
        self.uri = uri
        check_schema(uri)
        self._client = MlflowClient(tracking_uri=uri)
        self._check_file = watch(uri)
        self._retry_forever = retry_forever
        self._meanwhile = f"; {meanwhile}" if meanwhile else ""
        self._gave_up = False
        self.unavailable = ""

    def stop_waiting(self) -> None:
        """Fail at once from here on if the store is unavailable. Safe in a signal handler."""
        self._gave_up = True

    def call(self, action: Callable[[MlflowClient], T]) -> T:
        """The result of `action`. Raises `Stopped` if the store stays unavailable, is gone, or the disk is full."""
        self._check_file()
        started = time.monotonic()
        retrying = Retrying(
            retry=retry_if_exception(self._is_transient),
            stop=self._has_to_stop,
            wait=wait_fixed(_SECONDS_BETWEEN),
            before_sleep=self._warn,
            retry_error_callback=self._give_up,
        )
        try:
            result: T = retrying(_past_conflicts, action, self._client)
        except (MlflowException, OSError) as error:
            raise self._full_disk(error) or self._no_access(error) or error from None
        if self.unavailable:
            _log.warning("MLflow's store answers again, after %.0f s", time.monotonic() - started)
            self.unavailable = ""
        return result

    def create_run(
        self,
        experiment_id: str,
        run_name: str,
        tags: Mapping[str, str],
        start_time: int | None = None,
        uid: str = "",
        may_exist: bool = False,
    ) -> Run:
        """As `MlflowClient.create_run`, but exactly once, however often it is retried.

        `may_exist`: an earlier process may have created it.
        """
        uid = uid or uuid4().hex
        attempts = count(int(may_exist))

        def create(client: MlflowClient) -> Run:
            if next(attempts):
                existing = client.search_runs([experiment_id], f"tags.`{UID}` = '{uid}'")
                if existing:
                    return existing[0]
            return client.create_run(experiment_id, start_time, {**tags, UID: uid}, run_name)

        return self.call(create)

    def _is_transient(self, error: BaseException) -> bool:
        if not isinstance(error, MlflowException | OSError) or self._full_disk(error):
            return False
        if self.uri.startswith("sqlite"):
            return "database is locked" in str(error)
        if isinstance(error, MlflowException):
            status = error.get_http_status_code()  # type: ignore[no-untyped-call]
        elif isinstance(error, RequestException):  # of an artifact
            status = _SERVER_ERROR if error.response is None else error.response.status_code
        else:
            return False
        return bool(status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS)

    def _full_disk(self, error: MlflowException | OSError) -> Stopped | None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Stopped(f"an artifact cannot be written ({error.strerror}); {REMEDY}", 1)
        if "disk is full" in str(error):
            return Stopped(f"{store_name(self.uri)} cannot be written: the disk is full; {REMEDY}", 1)
        return None

    def _no_access(self, error: MlflowException | OSError) -> UserError | None:
        is_refused = isinstance(error, MlflowException) and error.get_http_status_code() in _NO_ACCESS  # type: ignore[no-untyped-call]
        if not is_refused or not self.uri.startswith("http"):
            return None
        why = " ".join(str(error).split())[:200]
        return UserError(
            f"{store_name(self.uri)} refuses access ({why}); set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            " to an account that may write there"
        )

    def _has_to_stop(self, state: RetryCallState) -> bool:
        waited = state.seconds_since_start or 0.0
        return self._gave_up or (waited > SECONDS and not self._retry_forever)

    def _warn(self, state: RetryCallState) -> None:
        reason = _reason(state)
        if not self.unavailable:
            _log.warning("waiting for %s: %s%s", store_name(self.uri), reason, self._meanwhile)
        self.unavailable = reason

    def _give_up(self, state: RetryCallState) -> NoReturn:
        self._gave_up = True
        raise Stopped(f"{store_name(self.uri)} does not answer ({_reason(state)}); {REMEDY}", 1) from None


def _past_conflicts(action: Callable[[MlflowClient], T], client: MlflowClient) -> T:
    """The result of `action`, tried once more if another process wrote the same row at the same instant.

    MLflow looks whether the row of a dataset or tag is there before it inserts it, and does so anew the second time.
    """
    try:
        return action(client)
    except MlflowException as error:
        if not any(name in str(error) for name in _UNIQUE_VIOLATIONS):
            raise
    return action(client)


def store_name(uri: str) -> str:
    """How messages name the store."""
    return f"MLflow's store {without_password(uri)}"


def _reason(state: RetryCallState) -> str:
    error = state.outcome.exception() if state.outcome else None
    return " ".join(str(error).split()).rpartition("(Caused by ")[2][:200] or type(error).__name__
