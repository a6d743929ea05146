"""Calls to MLflow that outlast a store that is busy or away for a while: they are made again until they get through.

A call may so be made twice, where only its answer was lost. MLflow bears that, but for `create_run`, which looks first,
and for a model, of which a second copy is kept that no run names.
"""

import errno
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

# MLflow's own take minutes, in silence, and make a run anew whose making was only not answered.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # seconds without a byte of an answer

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests import RequestException

from harness.core.errors import REMEDY, Stopped
from harness.storage.urls import without_password

SECONDS = 600.0
UID = "harness.uid"  # a tag that no two runs share, known before MLflow gives a run its id
_SECONDS_BETWEEN = 2.0
_SERVER_ERROR, _TOO_MANY = 500, 429
_log = logging.getLogger("harness")


class Patient:
    """An `MlflowClient` whose methods wait for the store at `uri`, up to `SECONDS`, or without end if `endless`.

    Raises `Stopped` where that was not enough, or where the disk is full. `away` is why it waits at this moment, or "".
    `meanwhile`: what happens as long, for the warning.
    """

    def __init__(self, uri: str, endless: bool = False, meanwhile: str = "") -> None:
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)
        self._endless = endless
        self._meanwhile = f"; {meanwhile}" if meanwhile else ""
        self._gave_up = False
        self.away = ""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return partial(self.call, method) if callable(method) else method

    def create_run(
        self,
        experiment_id: str,
        run_name: str,
        tags: Mapping[str, str],
        start_time: int | None = None,
        uid: str = "",
        again: bool = False,
    ) -> Any:
        """As `MlflowClient.create_run` does, and once, however often it has to be asked. `again`: it was, before."""
        uid = uid or uuid4().hex
        attempts = count(int(again))

        def create() -> Any:
            if next(attempts):
                made = self._client.search_runs([experiment_id], f"tags.`{UID}` = '{uid}'")
                if made:
                    return made[0]
            return self._client.create_run(experiment_id, start_time, {**tags, UID: uid}, run_name)

        return self.call(create)

    def hurry(self) -> None:
        """From here on wait no more. Safe in a signal handler."""
        self._gave_up = True

    def call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What `method` answers, as soon as it does."""
        begun = time.monotonic()
        limit = math.inf if self._endless else SECONDS
        while True:
            try:
                answer = method(*arguments, **options)
            except (MlflowException, OSError) as error:
                reason = " ".join(str(error).split()).rpartition("(Caused by ")[2][:200] or type(error).__name__
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise Stopped(f"an artifact cannot be written ({error.strerror}); {REMEDY}", 1) from None
                if "disk is full" in reason:
                    raise Stopped(f"{store_name(self._uri)} cannot be written: the disk is full; {REMEDY}", 1) from None
                if not self._is_passing(error):
                    raise
                if self._gave_up or time.monotonic() - begun > limit:
                    self._gave_up = True
                    raise Stopped(f"{store_name(self._uri)} does not answer ({reason}); {REMEDY}", 1) from None
                if not self.away:
                    _log.warning("waiting for %s: %s%s", store_name(self._uri), reason, self._meanwhile)
                self.away = reason
                time.sleep(_SECONDS_BETWEEN)
            else:
                if self.away:
                    _log.warning("MLflow's store answers again, after %.0f s", time.monotonic() - begun)
                    self.away = ""
                return answer

    def _is_passing(self, error: MlflowException | OSError) -> bool:
        if self._uri.startswith("sqlite"):
            return "database is locked" in str(error)
        if isinstance(error, MlflowException):
            status = error.get_http_status_code()  # type: ignore[no-untyped-call]
        elif isinstance(error, RequestException):  # of an artifact
            status = _SERVER_ERROR if error.response is None else error.response.status_code
        else:
            return False
        return bool(status >= _SERVER_ERROR or status == _TOO_MANY)


def store_name(uri: str) -> str:
    """How a message names the store."""
    return f"MLflow's store {without_password(uri)}"
