"""Writes spooled records to MLflow, one by one."""

import base64
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from harness.core.errors import REMEDY, Stopped
from harness.tracking.retry import UID, Patient
from harness.tracking.spool_file import Record

_MOST = {"metrics": 1_000, "params": 100, "tags": 100}  # that MLflow takes in one call
_MOST_TOGETHER = 1_000
UID_PREFIX = "uid-"  # no id of MLflow's begins so
_log = logging.getLogger("harness")


class Gone(Stopped):
    """The run that a record belongs to is not in MLflow any more."""

    def __init__(self, run: str) -> None:
        super().__init__(f"run {run} is not in MLflow any more: it was deleted; {REMEDY}", 1)


def mergeable(records: Sequence[Record]) -> list[Record]:
    """As many of the first of these `log_batch`s of one run as fit in one call."""
    some: list[Record] = []
    held = dict.fromkeys(_MOST, 0)
    for record in records:
        held = {what: count + len(record.arguments.get(what, ())) for what, count in held.items()}
        fits = sum(held.values()) <= _MOST_TOGETHER and all(held[what] <= most for what, most in _MOST.items())
        if record.do != "log_batch" or (some and not fits):
            break
        some.append(record)
    return some


def merged(records: Sequence[Record]) -> Record:
    """One record that says what these say, which `mergeable` gave; a single one is itself."""
    if len(records) == 1:
        return records[0]
    together = {what: [entry for record in records for entry in record.arguments[what]] for what in _MOST}
    return records[0]._replace(arguments=together)


class Writer:
    """Waits as `patient` does. Raises `Gone` for a run that was deleted. `away`: why it waits at this moment, or ""."""

    def __init__(self, patient: Patient) -> None:
        self._client = patient
        self._ids: dict[str, str] = {}

    @property
    def away(self) -> str:
        return self._client.away

    def write(self, record: Record, again: bool = False) -> None:
        """With `again` it may have been written before."""
        if record.do == "create_run":
            return self._create_run(record.run, again, **record.arguments)
        try:
            getattr(self, f"_{record.do}")(self.id_of(record.run), **record.arguments)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST" or "must be in the 'active' state" in str(error):
                raise Gone(record.run) from None
            raise

    def id_of(self, run: str) -> str:
        if not run.startswith(UID_PREFIX):
            return run
        if run not in self._ids:  # an earlier process made it
            experiments = [found.experiment_id for found in self._client.search_experiments()]
            made = self._client.search_runs(experiments, f"tags.`{UID}` = '{run}'")
            if not made:
                raise Gone(run)
            self._ids[run] = made[0].info.run_id
        return self._ids[run]

    def _create_run(self, uid: str, again: bool, tags: dict[str, str], runs: dict[str, str], **named: Any) -> None:
        for tag, other in runs.items():
            try:
                tags = tags | {tag: self.id_of(other)}
            except Gone as gone:
                _log.warning("%s is left out: %s", tag, gone)
        made = self._client.create_run(tags=tags, uid=uid, again=again, **named)
        self._ids[uid] = made.info.run_id

    def _log_batch(
        self,
        run_id: str,
        metrics: Sequence[Sequence[Any]],
        params: Sequence[Sequence[str]],
        tags: Sequence[Sequence[str]],
    ) -> None:
        self._client.log_batch(
            run_id,
            [Metric(*metric) for metric in metrics],
            [Param(*param) for param in params],
            [RunTag(*tag) for tag in tags],
        )

    def _log_dataset(self, run_id: str, **fields: str) -> None:
        self._client.log_inputs(
            run_id, [DatasetInput(Dataset(**fields), [InputTag(MLFLOW_DATASET_CONTEXT, "training")])]
        )

    def _log_bytes(self, run_id: str, name: str, content: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(base64.b64decode(content))
            self._client.log_artifact(run_id, str(path))

    def _set_status(self, run_id: str, status: str, end_time: int) -> None:
        if status == "RUNNING":
            self._client.update_run(run_id, status=status)
        else:
            self._client.set_terminated(run_id, status=status, end_time=end_time)
