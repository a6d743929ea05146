"""Calls to MLflow that outlast a store that is busy or away for a while: they are made again until they get through.

A call may so be made twice, where only its answer was lost. MLflow bears that, but for `create_run`, which looks first,
and for a model, of which a second copy is kept that no run names.
"""

import errno
import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

# MLflow's own take minutes, in silence, and make a run anew whose making was only not answered.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from harness.errors import Stopped
from harness.stores import without_password

SECONDS = 600.0
ONCE = "harness.once"  # a tag that no two runs share
_SECONDS_BETWEEN = 2.0
_SERVER_ERROR, _TOO_MANY = 500, 429
_REMEDY = "what is recorded stays; put that right, then give the same command again"
_log = logging.getLogger("harness")


class Patient:
    """An `MlflowClient` whose methods wait for the store at `uri`, up to `SECONDS`.

    Raises `Stopped` where that was not enough, or where the disk is full.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)
        self._gave_up = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return partial(self.call, method) if callable(method) else method

    def create_run(self, experiment_id: str, run_name: str, tags: Mapping[str, str]) -> Any:
        """As `MlflowClient.create_run` does, and once, however often it has to be asked."""
        once = uuid4().hex
        attempts = count()

        def create() -> Any:
            if next(attempts):
                made = self._client.search_runs([experiment_id], f"tags.`{ONCE}` = '{once}'")
                if made:
                    return made[0]
            return self._client.create_run(experiment_id, run_name=run_name, tags={**tags, ONCE: once})

        return self.call(create)

    def call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What `method` answers, as soon as it does."""
        begun, waits = time.monotonic(), False
        while True:
            try:
                answer = method(*arguments, **options)
            except OSError as error:  # of an artifact
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise Stopped(f"an artifact cannot be written ({error.strerror}); {_REMEDY}", 1) from None
            except MlflowException as error:
                reason = " ".join(str(error).split()).rpartition("(Caused by ")[2][:200]
                if "disk is full" in reason:
                    raise Stopped(f"{self._name} cannot be written: the disk is full; {_REMEDY}", 1) from None
                if not self._is_passing(error):
                    raise
                if self._gave_up or time.monotonic() - begun > SECONDS:
                    self._gave_up = True
                    raise Stopped(
                        f"{self._name} has not answered for {SECONDS:.0f} s ({reason}); {_REMEDY}", 1
                    ) from None
                if not waits:
                    _log.warning("waiting for %s: %s", self._name, reason)
                    waits = True
                time.sleep(_SECONDS_BETWEEN)
            else:
                if waits:
                    _log.warning("MLflow's store answers again, after %.0f s", time.monotonic() - begun)
                return answer

    @property
    def _name(self) -> str:
        return f"MLflow's store {without_password(self._uri)}"

    def _is_passing(self, error: MlflowException) -> bool:
        status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
        if self._uri.startswith("sqlite"):
            return "database is locked" in str(error)
        return status >= _SERVER_ERROR or status == _TOO_MANY
