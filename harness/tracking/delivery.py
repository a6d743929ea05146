"""Sends spooled operations to MLflow, one by one."""

import base64
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.tracking import settings  # noqa: F401  # before MLflow is imported

# isort: split
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from harness.core.errors import REMEDY, Stopped
from harness.tracking.operations import Operation
from harness.tracking.retry import RetryingClient
from harness.tracking.schema import DATASET_CONTEXT, UID

_LIMITS = {"metrics": 1_000, "params": 100, "tags": 100}  # of one MLflow call
_LIMIT_TOGETHER = 1_000
UID_PREFIX = "uid-"  # no MLflow id starts with it
_log = logging.getLogger("harness")


class RunDeletedError(Stopped):
    """The run that an operation belongs to is not in MLflow any more."""

    def __init__(self, run: str) -> None:
        super().__init__(f"run {run} is not in MLflow any more: it was deleted; {REMEDY}", 1)


def mergeable(operations: Sequence[Operation]) -> list[Operation]:
    """The longest prefix of `log_batch` operations of one run that fits in one call."""
    prefix: list[Operation] = []
    held = dict.fromkeys(_LIMITS, 0)
    for operation in operations:
        held = {what: count + len(operation.arguments.get(what, ())) for what, count in held.items()}
        fits = sum(held.values()) <= _LIMIT_TOGETHER and all(held[what] <= limit for what, limit in _LIMITS.items())
        if operation.method != "log_batch" or (prefix and not fits):
            break
        prefix.append(operation)
    return prefix


def merged(operations: Sequence[Operation]) -> Operation:
    """One operation that does what these do. They come from `mergeable`; a single one is returned as it is."""
    if len(operations) == 1:
        return operations[0]
    together = {what: [entry for operation in operations for entry in operation.arguments[what]] for what in _LIMITS}
    return operations[0]._replace(arguments=together)


class Sender:
    """Sends operations through `client`. Raises `RunDeletedError` for a run that was deleted."""

    def __init__(self, client: RetryingClient) -> None:
        self._client = client
        self._ids: dict[str, str] = {}

    @property
    def unavailable(self) -> str:
        """Why it is waiting for MLflow at this moment, or ""."""
        return self._client.unavailable

    def send(self, operation: Operation, may_exist: bool = False) -> None:
        """Send one operation. `may_exist`: an earlier process may have sent it already."""
        if operation.method == "create_run":
            return self._create_run(operation.run, may_exist, **operation.arguments)
        try:
            getattr(self, f"_{operation.method}")(self.id_of(operation.run), **operation.arguments)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST" or self._is_deleted(operation.run):
                raise RunDeletedError(operation.run) from None
            raise

    def id_of(self, run: str) -> str:
        """MLflow's id of a run."""
        if not run.startswith(UID_PREFIX):
            return run
        if run not in self._ids:  # an earlier process created it
            experiments = [found.experiment_id for found in self._client.call(lambda c: c.search_experiments())]
            found = self._client.call(lambda c: c.search_runs(experiments, f"tags.`{UID}` = '{run}'"))
            if not found:
                raise RunDeletedError(run)
            self._ids[run] = found[0].info.run_id
        return self._ids[run]

    def _is_deleted(self, run: str) -> bool:
        """MLflow keeps a deleted run and refuses to change it, under the same error code as other bad input."""
        info = self._client.call(lambda client: client.get_run(self.id_of(run))).info
        return bool(info.lifecycle_stage == "deleted")

    def _create_run(self, uid: str, may_exist: bool, tags: dict[str, str], runs: dict[str, str], **named: Any) -> None:
        for tag, other in runs.items():
            try:
                tags = tags | {tag: self.id_of(other)}
            except RunDeletedError as error:
                _log.warning("%s is left out: %s", tag, error)
        try:
            created = self._client.create_run(tags=tags, uid=uid, may_exist=may_exist, **named)
        except MlflowException:
            experiment = self._client.call(lambda client: client.get_experiment(named["experiment_id"]))
            if experiment.lifecycle_stage == "deleted":
                raise RunDeletedError(named["run_name"]) from None
            raise
        self._ids[uid] = created.info.run_id

    def _log_batch(
        self,
        run_id: str,
        metrics: Sequence[Sequence[Any]],
        params: Sequence[Sequence[str]],
        tags: Sequence[Sequence[str]],
    ) -> None:
        self._client.call(
            lambda client: client.log_batch(
                run_id,
                [Metric(*metric) for metric in metrics],
                [Param(*param) for param in params],
                [RunTag(*tag) for tag in tags],
            )
        )

    def _log_dataset(self, run_id: str, **fields: str) -> None:
        inputs = [DatasetInput(Dataset(**fields), [InputTag(DATASET_CONTEXT, "training")])]
        self._client.call(lambda client: client.log_inputs(run_id, inputs))

    def _log_bytes(self, run_id: str, name: str, content: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(base64.b64decode(content))
            self._client.call(lambda client: client.log_artifact(run_id, str(path)))

    def _set_status(self, run_id: str, status: str, end_time: int) -> None:
        if status == "RUNNING":
            self._client.call(lambda client: client.update_run(run_id, status=status))
        else:
            self._client.call(lambda client: client.set_terminated(run_id, status=status, end_time=end_time))
