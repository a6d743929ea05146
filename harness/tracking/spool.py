"""Records on their way to MLflow: each is first a line of a file, then a thread hands it over, in order.

So training never waits for a store that is slow, busy or away, and a process that dies leaves what it had not handed
over in its file, for the next one. Records carry the times of what they record. Handing one over twice changes nothing.
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

from mlflow.exceptions import MlflowException

from harness.core.errors import REMEDY, Stopped
from harness.storage.urls import sqlite_file, without_password
from harness.tracking import retry
from harness.tracking.delivery import UID_PREFIX, Gone, Writer, mergeable, merged
from harness.tracking.retry import Patient, store_name
from harness.tracking.spool_file import Record, SpoolFile, left

_LOOKS_AHEAD = 10_000  # records
_A_SECOND = 1_000  # milliseconds
_log = logging.getLogger("harness")


class Spool:
    """Stands for an `MlflowClient` of the store at `uri`: what it writes goes by file and thread, what it reads waits
    until all that was written is there.

    Runs are named by the uid that `create_run` gives at once; `id_of` tells MLflow's id. Raises `Stopped`, at the next
    call, where the disk is full or MLflow refuses a record.
    """

    def __init__(self, uri: str) -> None:
        path = sqlite_file(uri)
        folder = path.parent if path else Path()
        stem = f".mlflow-{sha256(without_password(uri).encode()).hexdigest()[:8]}"
        self._uri = uri
        self._file = SpoolFile(folder / f"{stem}-{uuid4().hex}.spool")
        self._reader = Patient(uri)
        meanwhile = f"training goes on, records are kept in {self._file.path}"
        self._writer = Writer(Patient(uri, endless=True, meanwhile=meanwhile))
        self._hurried = False
        self._waiting: deque[Record] = deque()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._told = False
        self._started = 0
        self._hand_over_what_others_left(folder, f"{stem}-*.spool")

    def __getattr__(self, name: str) -> Any:
        self.flush()
        return getattr(self._reader, name)

    def create_run(
        self, experiment_id: str, run_name: str, tags: Mapping[str, str], runs: Mapping[str, str] | None = None
    ) -> str:
        """The uid of a new run. `runs`: tags that name other runs, by their uids here, by MLflow's ids there."""
        uid = f"{UID_PREFIX}{uuid4().hex}"
        start = _now()
        if 0 <= self._started - start < _A_SECOND:  # so that runs of one millisecond keep their order
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
        """Metrics (name, value, step), params and tags (name, value)."""
        now = _now()
        timed = [(name, value, now, step) for name, value, step in metrics]
        self._put(run, "log_batch", metrics=timed, params=list(params), tags=list(tags))

    def log_dataset(self, run: str, **fields: str) -> None:
        """The data that a run trains on; `fields` of an MLflow `Dataset`."""
        self._put(run, "log_dataset", **fields)

    def log_bytes(self, run: str, name: str, content: bytes) -> None:
        """An artifact of this name."""
        self._put(run, "log_bytes", name=name, content=base64.b64encode(content).decode())

    def set_status(self, run: str, status: str) -> None:
        """RUNNING, or with the time of now a status that ends the run."""
        self._put(run, "set_status", status=status, end_time=_now())

    def id_of(self, run: str) -> str:
        """MLflow's id of a run."""
        self.flush()
        return self._writer.id_of(run)

    def flush(self, seconds: float | None = None) -> None:
        """Wait until all records are in MLflow.

        Raises `Stopped` where the store is away for so many seconds (`retry.SECONDS`), or at once after `hurry`; the
        records stay in the file.
        """
        seconds = retry.SECONDS if seconds is None else seconds
        deadline = time.monotonic() + seconds
        with self._change:
            while self._waiting and self._error is None:
                if self._writer.away and (self._hurried or time.monotonic() >= deadline):
                    raise Stopped(
                        f"{store_name(self._uri)} does not answer ({self._writer.away});"
                        f" {len(self._waiting)} records are kept in {self._file.path}; {REMEDY}",
                        1,
                    )
                self._change.wait(0.2)
        self._tell_of_an_error()

    def hurry(self) -> None:
        """From here on wait for no store that is away. Safe in a signal handler."""
        self._hurried = True
        self._reader.hurry()

    def close(self, wait: bool) -> None:
        """`flush`, and let go of the file; a next record opens it again.

        Without `wait` records stay in the file, and a warning names it, where the store is away: the next process that
        writes to this store, from the same folder, hands them over.
        """
        try:
            self.flush(None if wait else 0)
        except Stopped as stop:
            if wait:
                raise
            _log.warning("%s", stop)
            return
        with self._change:
            thread, self._thread = self._thread, None
            self._change.notify_all()
        if thread:
            thread.join()
        if not self._waiting:
            self._file.remove()

    def _put(self, run: str, do: str, **arguments: Any) -> None:
        record = Record(run, do, arguments)
        with self._change:
            self._waiting.append(record)
            try:
                self._file.append(record)
            except Stopped:
                self._waiting.pop()
                raise
            if self._thread is None and self._error is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._change.notify_all()
        self._tell_of_an_error()

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._thread is not me)
                if not self._waiting:
                    return
                records = self._next()
            try:
                self._writer.write(merged(records))
            except Exception as error:  # noqa: BLE001  # it is raised where the next record is put
                with self._change:
                    self._error = self._refused(error) if isinstance(error, MlflowException) else error
                    self._change.notify_all()
                return
            with self._change:
                for record in records:
                    self._waiting.remove(record)
                if not self._waiting:
                    self._file.empty()
                    self._change.notify_all()

    def _next(self) -> list[Record]:
        """The record whose turn it is, and those of the same run after it that can go there in the same call."""
        first = self._waiting[0]
        if first.do != "log_batch":
            return [first]
        return mergeable([record for record in islice(self._waiting, _LOOKS_AHEAD) if record.run == first.run])

    def _refused(self, error: MlflowException) -> Stopped:
        why = " ".join(str(error).split())[:300]
        kept = f"{len(self._waiting)} records are kept in {self._file.path}"
        return Stopped(f"{store_name(self._uri)} refuses a record ({why}); {kept}; {REMEDY}", 1)

    def _tell_of_an_error(self) -> None:
        if self._error is not None and not self._told:
            self._told = True
            raise self._error

    def _hand_over_what_others_left(self, folder: Path, pattern: str) -> None:
        writer = Writer(Patient(self._uri))
        for path in sorted(folder.glob(pattern)):
            with left(path) as records:
                if records:
                    _log.warning("%d records that a process left in %s are written to MLflow now", len(records), path)
                for record in records:
                    try:
                        writer.write(record, again=True)
                    except Gone as gone:
                        _log.warning("one of them, %s, is left out: %s", record.do, gone)
                    except MlflowException as error:
                        why = " ".join(str(error).split())[:300]
                        raise Stopped(f"the records in {path} are refused by MLflow ({why}); {REMEDY}", 1) from None


def _now() -> int:
    return int(time.time() * 1000)
