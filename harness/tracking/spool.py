"""Writes to MLflow in the background: each operation is first appended to a file, then sent by a thread, in order.

Training never waits for a store that is slow, busy or unavailable. If the process dies, the next one sends what is left
in the file. Operations carry their own times, and sending one twice changes nothing.
"""

import base64
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from harness.tracking import settings  # noqa: F401  # before MLflow is imported

# isort: split
from mlflow.exceptions import MlflowException

from harness.core.errors import REMEDY, Stopped
from harness.storage.urls import sqlite_file, without_password
from harness.tracking import retry
from harness.tracking.delivery import UID_PREFIX, RunDeletedError, Sender, mergeable, merged
from harness.tracking.leftovers import deliver_left
from harness.tracking.operations import Operation
from harness.tracking.retry import RetryingClient, store_name
from harness.tracking.spool_file import SpoolFile

_LOOK_AHEAD = 10_000  # operations
_SECOND = 1_000  # milliseconds
_log = logging.getLogger("harness")


class Spool:
    """Writes to the MLflow store at `uri` without waiting for it; `flush` waits.

    `create_run` returns a uid at once, by which all methods know the run; `id_of` waits for MLflow's id. If the disk is
    full or MLflow refuses an operation, the next call raises `Stopped`. If a run was deleted in MLflow, its operations
    are left out, the next call raises `RunDeletedError` once, and the operations of other runs are still sent.
    """

    def __init__(self, uri: str) -> None:
        path = sqlite_file(uri)
        folder = path.parent if path else Path()
        stem = f".mlflow-{sha256(without_password(uri).encode()).hexdigest()[:8]}"
        self._uri = uri
        self._file = SpoolFile(folder / f"{stem}-{uuid4().hex}.spool")
        meanwhile = f"training goes on, records are kept in {self._file.path}"
        self._sender = Sender(RetryingClient(uri, retry_forever=True, meanwhile=meanwhile))
        self._stops_waiting = False
        self._waiting: deque[Operation] = deque()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._deleted: RunDeletedError | None = None
        self._told: set[str] = set()
        self._error_was_raised = False
        self._started = 0
        self._is_closing = False
        deliver_left(uri, folder, f"{stem}-*.spool")

    def create_run(
        self,
        experiment_id: str,
        run_name: str,
        tags: Mapping[str, str],
        runs: Mapping[str, str] | None = None,
        uid: str = "",
    ) -> str:
        """The uid of a new run. `runs` are tags that name other runs: uids are replaced by MLflow ids when sent.

        `uid`: that of a run which MLflow has lost.
        """
        uid = uid if uid.startswith(UID_PREFIX) else f"{UID_PREFIX}{uuid4().hex}"
        start = _now()
        if 0 <= self._started - start < _SECOND:  # runs of one millisecond keep their order
            start = self._started + 1
        self._started = start
        named = {"experiment_id": experiment_id, "run_name": run_name, "start_time": start}
        self._put(uid, "create_run", **named, tags=dict(tags), runs=dict(runs or {}))
        return uid

    def log_batch(
        self,
        run: str,
        metrics: Iterable[tuple[str, float, int]] = (),
        params: Iterable[tuple[str, str]] = (),
        tags: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Log metrics (name, value, step), params and tags (name, value)."""
        now = _now()
        timed = [(name, value, now, step) for name, value, step in metrics]
        self._put(run, "log_batch", metrics=timed, params=list(params), tags=list(tags))

    def log_dataset(self, run: str, **fields: str) -> None:
        """Log the data that a run trains on; `fields` are those of an MLflow `Dataset`."""
        self._put(run, "log_dataset", **fields)

    def log_bytes(self, run: str, name: str, content: bytes) -> None:
        """Log an artifact of this name."""
        self._put(run, "log_bytes", name=name, content=base64.b64encode(content).decode())

    def set_status(self, run: str, status: str) -> None:
        """Set the status of a run: RUNNING, or one that ends it now."""
        self._put(run, "set_status", status=status, end_time=_now())

    def id_of(self, run: str) -> str:
        """MLflow's id of a run. Waits until the run is in MLflow."""
        self.flush()
        return self._sender.id_of(run)

    def flush(self, seconds: float | None = None) -> None:
        """Wait until all operations are in MLflow.

        Raises `Stopped` if the store is unavailable for `seconds` (`retry.SECONDS`), at once after `stop_waiting`, and
        each time once an operation was refused. The operations stay in the file.
        """
        seconds = retry.SECONDS if seconds is None else seconds
        deadline = time.monotonic() + seconds
        with self._change:
            while self._waiting and self._error is None:
                if self._sender.unavailable and (self._stops_waiting or time.monotonic() >= deadline):
                    raise Stopped(
                        f"{store_name(self._uri)} does not answer ({self._sender.unavailable});"
                        f" {len(self._waiting)} records are kept in {self._file.path}; {REMEDY}",
                        1,
                    )
                self._change.wait(0.2)
            refused = self._error if self._waiting else None
        self._raise_error()
        if refused is not None:
            raise refused

    def stop_waiting(self) -> None:
        """From here on do not wait for an unavailable store. Safe in a signal handler."""
        self._stops_waiting = True

    def close(self, wait: bool) -> None:
        """`flush`, then delete the file. The next operation creates it again.

        Without `wait`, if the store is unavailable, the operations stay in the file and a warning names it. The next
        process that writes to this store from the same folder sends them.
        """
        deleted: RunDeletedError | None = None
        try:
            self.flush(None if wait else 0)
        except RunDeletedError as error:  # all others are in MLflow
            deleted = error
        except Stopped as stop:
            if wait:
                raise
            _log.warning("%s", stop)
            self._is_closing = True  # the thread may still send everything before the process ends
            return
        with self._change:
            thread, self._thread = self._thread, None
            self._change.notify_all()
        if thread:
            thread.join()
        if not self._waiting:
            self._file.remove()
        if deleted and wait:
            raise deleted
        if deleted:
            _log.warning("%s", deleted)

    def _put(self, run: str, method: str, **arguments: Any) -> None:
        operation = Operation(run, method, arguments)
        with self._change:
            self._is_closing = False
            self._waiting.append(operation)
            try:
                self._file.append(operation)
            except Stopped:
                self._waiting.pop()
                raise
            if self._thread is None and self._error is None:
                self._thread = threading.Thread(target=self._send_all, daemon=True)
                self._thread.start()
            self._change.notify_all()
        self._raise_error()

    def _send_all(self) -> None:
        me = threading.current_thread()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._thread is not me)
                if not self._waiting:
                    return
                operations = self._next()
            try:
                self._sender.send(merged(operations))
            except RunDeletedError as error:  # the next call raises it; records of other runs go on
                if str(error) not in self._told:
                    self._told.add(str(error))
                    self._deleted = error
            except Exception as error:  # noqa: BLE001  # the next call raises it
                with self._change:
                    self._error = self._refusal(error) if isinstance(error, MlflowException) else error
                    self._change.notify_all()
                return
            with self._change:
                for operation in operations:
                    self._waiting.remove(operation)
                if not self._waiting:
                    if self._is_closing:
                        self._file.remove()
                    else:
                        self._file.clear()
                    self._change.notify_all()

    def _next(self) -> list[Operation]:
        """The next operation, and later ones of the same run that fit in the same call."""
        first = self._waiting[0]
        if first.method != "log_batch":
            return [first]
        return mergeable([operation for operation in islice(self._waiting, _LOOK_AHEAD) if operation.run == first.run])

    def _refusal(self, error: MlflowException) -> Stopped:
        why = " ".join(str(error).split())[:300]
        kept = f"{len(self._waiting)} records are kept in {self._file.path}"
        return Stopped(f"{store_name(self._uri)} refuses a record ({why}); {kept}; {REMEDY}", 1)

    def _raise_error(self) -> None:
        if self._deleted is not None:
            deleted, self._deleted = self._deleted, None
            raise deleted
        if self._error is not None and not self._error_was_raised:
            self._error_was_raised = True
            raise self._error


def _now() -> int:
    return int(time.time() * 1000)
