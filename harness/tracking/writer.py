"""Writes to MLflow: runs, params, metrics, statuses and artifacts. Reading is in `reader.py`, models in `model.py`."""

import io
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from harness.core.errors import Stopped
from harness.core.metrics import DatasetRecord, EpochMetrics, Reading, logged
from harness.core.network import NetworkFile
from harness.storage.process import is_alive, this_process
from harness.tracking import schema
from harness.tracking.digest import RunRecord
from harness.tracking.experiments import create_experiment, open_store
from harness.tracking.provenance import source_tags
from harness.tracking.reader import ExperimentReader, TrackedRun, check_not_deleted
from harness.tracking.spool import Spool
from harness.tracking.spool_file import NotWrittenError

_log = logging.getLogger("harness")
_LARGEST_BATCH = 1_000  # metrics of one MLflow call
_INTERRUPTED = ", interrupted"


class Config(Protocol):
    """What a child run is recorded with: a `RunConfig`, or that of a whole search."""

    @property
    def network(self) -> NetworkFile | None: ...

    @property
    def content_hash(self) -> str: ...

    def params(self) -> dict[str, Any]: ...


class ExperimentWriter:
    """Writes to one MLflow experiment, which is created if there is none.

    An operation is on disk when the call returns, and is sent to MLflow in the background; `read` waits for that.
    `start_run` returns a uid; all methods accept uids and MLflow ids.
    """

    def __init__(
        self, uri: str, experiment: str, dataset: DatasetRecord, device: str, source: str = "harness.search"
    ) -> None:
        create_experiment(open_store(uri), experiment)
        self.uri = uri
        self.dataset = dataset
        self._reader = ExperimentReader(uri, experiment)
        self._spool = Spool(uri)
        self._records: dict[str, RunRecord] = {}  # of open child runs
        self._names: dict[str, str] = {}  # of open child runs
        self._ended: set[str] = set()
        self._device = device
        data = {schema.DATASET_SHA256: dataset.sha256, schema.DATA: dataset.spec, schema.TARGET: dataset.target}
        data[schema.HEADER] = "" if dataset.header == "auto" else dataset.header
        data[schema.IGNORED] = json.dumps(dataset.ignored) if dataset.ignored else ""
        self._common_tags = source_tags(source) | {name: tag for name, tag in data.items() if tag}
        self._common_tags[schema.OWNER] = this_process()
        if dataset.fallback:
            self._common_tags[schema.DATASET_FALLBACK] = dataset.fallback

    def read(self) -> ExperimentReader:
        """A reader of the experiment, once everything written so far is in MLflow."""
        self._spool.flush()
        return self._reader

    def parent(self, name: str, kind: schema.Kind) -> TrackedRun | None:
        """The parent run called `name` of this kind, or None."""
        return next(iter(self.read().parents(kind, name)), None)

    def live_owner(self, name: str, kind: schema.Kind, elsewhere: bool) -> str | None:
        """The other living process that runs the parent called `name` at this moment, or None.

        `elsewhere`: whether a process on another host counts as living. It does not where a lock keeps it out: that
        host may be this machine under an earlier name, as containers have.
        """
        run = self.parent(name, kind)
        if run is None or run.status != "RUNNING":
            return None
        owner = run.tags.get(schema.OWNER, "")
        return owner if owner != this_process() and is_alive(owner, elsewhere) else None

    def open_parent(
        self, name: str, kind: schema.Kind, params: Mapping[str, Any], tags: Mapping[str, str] | None = None
    ) -> str:
        """The id of the parent run called `name`: created with `params` and `tags`, or taken over (owner, RUNNING).

        Raises `UserError` if it was deleted in MLflow.
        """
        found = self.parent(name, kind)
        if found is None:
            check_not_deleted(self._reader, kind, name)
            all_tags = self._common_tags | {schema.KIND: kind, schema.NAME: name} | dict(tags or {})
            run = self._spool.create_run(self._reader.experiment_id, name, all_tags)
            self._log(run, params={**params, **self._data_params()})
            self._log_dataset(run)
            return self.id_of(run)
        self._log(found.id, tags=self._common_tags | {schema.NAME: name})
        self._spool.set_status(found.id, "RUNNING")
        return found.id

    def close_parent(self, parent_id: str, state: schema.State) -> None:
        """End the parent run and `close`. If the state is not "complete", a failure is only a warning."""
        try:
            self.end_run(parent_id, state)
        except Stopped as stop:
            if state == "complete":
                raise
            _log.warning("%s", stop)
        self.close(wait=state == "complete")

    def start_run(
        self,
        parent_id: str,
        name: str,
        kind: schema.Kind,
        config: Config,
        tags: Mapping[str, str],
        runs: Mapping[str, str] | None = None,
        uid: str = "",
    ) -> str:
        """The uid of a new child run. Its config becomes params; numbers also become metrics, which sort.

        `runs` are tags whose values are other runs. `uid` is that of a run which MLflow has lost: if its own records
        come after all, they meet this run.
        """
        own = {schema.PARENT_RUN_ID: parent_id, schema.KIND: kind, schema.CONFIG_HASH: config.content_hash}
        if config.network is not None and config.network.path:
            own[schema.NETWORK_FILE] = config.network.path
        all_tags = self._common_tags | own | dict(tags)
        run = self._spool.create_run(self._reader.experiment_id, name, all_tags, runs, uid)
        self._records[run] = RunRecord(all_tags)
        self._names[run] = name
        fields = config.params()
        numbers = {
            f"{schema.PARAM_METRIC}{key}": float(value)
            for key, value in fields.items()
            if isinstance(value, int | float)
        }
        self._log(run, numbers, params=self._data_params() | fields)
        self._log_dataset(run)
        return run

    def end_run(
        self,
        run: str,
        state: schema.State,
        note: str = "",
        metrics: Mapping[str, float] | None = None,
        more_tags: Mapping[str, str] | None = None,
    ) -> None:
        """End a run with its state, as a tag and as MLflow's status, and with the digest of all that was written.

        An interrupted run, which MLflow shows like a pruned one, is renamed.
        """
        if run in self._ended:
            return
        tags = {schema.STATE: state} | ({schema.NOTE: note} if note else {}) | dict(more_tags or {})
        name = self._names.pop(run, "")
        if state == "interrupted" and name:
            tags[schema.RUN_NAME] = f"{name}{_INTERRUPTED}"
        if record := self._records.pop(run, None):
            self._ended.add(run)
            record.add([Reading(name, 0, value) for name, value in (metrics or {}).items()], tags=tags)
            tags |= record.tags()
        is_written = True
        try:
            self._log(run, metrics or {}, tags=tags)
        except NotWrittenError:  # the run stays RUNNING, so that the next command ends it
            is_written = False
            raise
        finally:  # any other error may be about another run
            if is_written:
                self._spool.set_status(run, schema.STATUS[state])

    def end_left_open(self, run: TrackedRun) -> None:
        """End a run that MLflow shows as RUNNING though its process died, or though somebody set its status so."""
        if run.tags.get(schema.STATE) in schema.STATUS:
            self._spool.set_status(run.id, schema.STATUS[run.tags[schema.STATE]])  # type: ignore[index]
        else:
            self._names[run.id] = run.name
            self.end_run(run.id, "interrupted", "its process died")

    def restore_name(self, run: TrackedRun) -> None:
        """Give a run back the name that it had before `end_run` ended it as interrupted."""
        if run.name.endswith(_INTERRUPTED):
            self._log(run.id, tags={schema.RUN_NAME: run.name.removesuffix(_INTERRUPTED)})

    def seal(self, run_id: str) -> None:
        """Give an ended run its digest from what MLflow holds of it: its process died before it could.

        `run_id` is MLflow's id.
        """
        reader = self.read()
        run = reader.run(run_id)
        older = (schema.DIGEST, schema.HISTORIES)  # of an end that another one replaced
        run = run._replace(tags={name: value for name, value in run.tags.items() if name not in older})
        record = RunRecord(run.tags)
        for metric in run.metrics:
            record.add([Reading(metric, step, value) for step, value in reader.history(run, metric).items()])
        record.add([], run.params)
        self._log(run_id, tags=record.tags())

    def id_of(self, run: str) -> str:
        """MLflow's id of a run. Waits until the run is in MLflow."""
        return self._spool.id_of(run)

    def stop_waiting(self) -> None:
        """From here on do not wait for an unavailable store. Safe in a signal handler."""
        self._spool.stop_waiting()
        self._reader.client.stop_waiting()

    def close(self, wait: bool) -> None:
        """Send everything to MLflow. Without `wait`, if the store is unavailable, leave it to the next process.

        Raises `Stopped` if the store stays unavailable. Writing may continue afterwards.
        """
        self._spool.close(wait)

    def log_epoch(self, run: str, metrics: EpochMetrics) -> None:
        """Log one epoch as one batch, at step = epoch from 1; readings of probes keep their own steps."""
        self.log_readings(run, logged(metrics))

    def log_readings(self, run: str, readings: Sequence[Reading]) -> None:
        """Log any number of values at their own steps."""
        for first in range(0, len(readings), _LARGEST_BATCH):
            batch = readings[first : first + _LARGEST_BATCH]
            if run in self._records:
                self._records[run].add(batch)
            self._spool.log_batch(run, [(name, value, step) for name, step, value in batch])

    def log_metrics(self, run: str, metrics: Mapping[str, float]) -> None:
        """Log metrics of a run as a whole, at step 0."""
        self._log(run, metrics)

    def log_texts(self, run: str, texts: Mapping[str, str]) -> None:
        """Log each text as an artifact under its name."""
        for name, text in texts.items():
            self._spool.log_bytes(run, name, text.encode())

    def log_array(self, run: str, name: str, array: Any) -> None:
        """Log a numpy array as an artifact under its name (`….npy`)."""
        import numpy as np

        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        self._spool.log_bytes(run, name, content.getvalue())

    def set_tags(self, run: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        self._log(run, tags=tags)

    def set_description(self, run: str, markdown: str) -> None:
        """Set the description that the MLflow UI shows above a run."""
        self._log(run, tags={schema.DESCRIPTION: markdown})

    def _log(
        self,
        run: str,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        texts = {name: str(value) for name, value in (params or {}).items()}
        readings = [Reading(name, 0, value) for name, value in (metrics or {}).items()]
        if run in self._records:
            self._records[run].add(readings, texts, tags)
        values = [(name, value, step) for name, step, value in readings]
        self._spool.log_batch(run, values, list(texts.items()), list((tags or {}).items()))

    def _data_params(self) -> dict[str, str]:
        fallback = {"dataset_fallback": self.dataset.fallback} if self.dataset.fallback else {}
        return {"device": self._device, "dataset": self.dataset.name} | fallback

    def _log_dataset(self, run: str) -> None:
        record = self.dataset
        self._spool.log_dataset(
            run,
            name=record.name,
            digest=record.sha256[:8],  # MLflow shows it beside the name; the whole hash is a tag
            source_type="http",
            source=json.dumps({"url": record.source}),
            profile=record.profile,
        )
