"""Writes to MLflow: runs, params, metrics, statuses, artifacts. Reading is `records.py`, models `logged_model.py`."""

import io
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from harness.core.config import RunConfig
from harness.core.errors import Stopped
from harness.core.metrics import DatasetRecord, EpochMetrics, Reading, logged
from harness.storage.process import is_alive, this_process
from harness.tracking.experiments import make_experiment, writer
from harness.tracking.provenance import source_tags
from harness.tracking.reader import (
    CONFIG_HASH,
    DATA,
    DATASET_FALLBACK,
    DATASET_SHA256,
    KIND,
    NOTE,
    OWNER,
    STATE,
    STATUS,
    TARGET,
    Kind,
    Records,
    State,
    TrackedRun,
)
from harness.tracking.spool import Spool

_log = logging.getLogger("harness")
_LARGEST_BATCH = 1_000  # metrics that MLflow takes in one call


class Tracking(Records):
    """One MLflow experiment to write to, made if there is none.

    What is written goes through a `Spool`: it is safe at once, and in MLflow soon; reading waits for it. `start` names
    a run by a uid, which all methods take, and MLflow's ids as well.
    """

    def __init__(
        self, uri: str, experiment: str, dataset: DatasetRecord, device: str, source: str = "harness.search"
    ) -> None:
        make_experiment(writer(uri), experiment)
        super().__init__(uri, experiment)
        self.client = Spool(uri)
        self.dataset = dataset
        self._device = device
        data = {DATASET_SHA256: dataset.sha256, DATA: dataset.wish, TARGET: dataset.target}
        self._common_tags = source_tags(source) | {name: tag for name, tag in data.items() if tag}
        self._common_tags[OWNER] = this_process()
        if dataset.fallback:
            self._common_tags[DATASET_FALLBACK] = dataset.fallback

    def open_parent(
        self, name: str, kind: Kind, params: Mapping[str, Any], tags: Mapping[str, str] | None = None
    ) -> str:
        """The id of the parent run called `name`, made if there is none, taken over (owner, RUNNING) if there is.

        `params` and `tags` are written when it is made.
        """
        found = self.parent(name, kind)
        if found is None:
            all_tags = self._common_tags | {KIND: kind} | dict(tags or {})
            run = self.client.create_run(self.experiment_id, name, all_tags)
            self._log(run, params={**params, **self._data_params()})
            self._log_dataset(run)
            return self.id_of(run)
        self._log(found.id, tags=self._common_tags)
        self.client.set_status(found.id, "RUNNING")
        return found.id

    def parent(self, name: str, kind: Kind) -> TrackedRun | None:
        """The run called `name` of this kind, or None."""
        return next(iter(self.parents(kind, name)), None)

    def live_owner(self, name: str, kind: Kind) -> str | None:
        """Who runs the parent called `name` at this moment, if that is another process that still lives."""
        run = self.parent(name, kind)
        if run is None or run.status != "RUNNING":
            return None
        owner = run.tags.get(OWNER, "")
        return owner if owner != this_process() and is_alive(owner) else None

    def start(
        self,
        parent_id: str,
        name: str,
        kind: Kind,
        config: RunConfig,
        tags: Mapping[str, str],
        runs: Mapping[str, str] | None = None,
    ) -> str:
        """Open a child run: its config as params, numbers mirrored as `p.*` metrics so that they sort as numbers.

        `runs`: tags whose values are other runs.
        """
        own = {MLFLOW_PARENT_RUN_ID: parent_id, KIND: kind, CONFIG_HASH: config.content_hash}
        run = self.client.create_run(self.experiment_id, name, self._common_tags | own | dict(tags), runs)
        fields = config.model_dump(exclude_none=True)
        numbers = {f"p.{key}": float(value) for key, value in fields.items() if isinstance(value, int | float)}
        self._log(run, numbers, params=self._data_params() | fields)
        self._log_dataset(run)
        return str(run)

    def id_of(self, run: str) -> str:
        """MLflow's id of a run."""
        return str(self.client.id_of(run))

    def hurry(self) -> None:
        """From here on wait for no store that is away. Safe in a signal handler."""
        self.client.hurry()

    def end(self, parent_id: str, state: State) -> None:
        """`finish` the parent run and `close`. What fails after a stop is a warning, so that the stop is told."""
        try:
            self.finish(parent_id, state)
        except Stopped as stop:
            if state == "complete":
                raise
            _log.warning("%s", stop)
        self.close(wait=state == "complete")

    def close(self, wait: bool) -> None:
        """Have all of it in MLflow, or, without `wait` and where the store is away, in a file for the next process.

        Raises `Stopped` where the store stays away. May be written to afterwards.
        """
        self.client.close(wait)

    def log_epoch(self, run_id: str, metrics: EpochMetrics) -> None:
        """One epoch, as one batch, at step = epoch from 1; what probes read, at steps of their own."""
        self.log_readings(run_id, logged(metrics))

    def log_readings(self, run_id: str, readings: Sequence[Reading]) -> None:
        """Values at steps of their own, however many."""
        for first in range(0, len(readings), _LARGEST_BATCH):
            some = readings[first : first + _LARGEST_BATCH]
            self.client.log_batch(run_id, [(name, value, step) for name, step, value in some])

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Metrics of a run as a whole, at step 0."""
        self._log(run_id, metrics)

    def finish(self, run_id: str, state: State, note: str = "", metrics: Mapping[str, float] | None = None) -> None:
        """Close a run with its state, in words as a tag and as MLflow's status."""
        self._log(run_id, metrics or {}, tags={STATE: state} | ({NOTE: note} if note else {}))
        self.client.set_status(run_id, STATUS[state])

    def log_texts(self, run_id: str, texts: Mapping[str, str]) -> None:
        """Store each text as an artifact under its name."""
        for name, text in texts.items():
            self.client.log_bytes(run_id, name, text.encode())

    def log_array(self, run_id: str, name: str, array: Any) -> None:
        """Store a numpy array as an artifact under its name (`….npy`)."""
        import numpy as np

        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        self.client.log_bytes(run_id, name, content.getvalue())

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        self._log(run_id, tags=tags)

    def describe(self, run_id: str, markdown: str) -> None:
        """Set the description that the UI shows on top of a run."""
        self._log(run_id, tags={MLFLOW_RUN_NOTE: markdown})

    def _log(
        self,
        run_id: str,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.client.log_batch(
            run_id,
            [(name, value, 0) for name, value in (metrics or {}).items()],
            [(name, str(value)) for name, value in (params or {}).items()],
            list((tags or {}).items()),
        )

    def _data_params(self) -> dict[str, str]:
        wished = {"dataset_fallback": self.dataset.fallback} if self.dataset.fallback else {}
        return {"device": self._device, "dataset": self.dataset.name} | wished

    def _log_dataset(self, run_id: str) -> None:
        record = self.dataset
        # MLflow shows the digest beside the name; the whole hash is in the tags.
        self.client.log_dataset(
            run_id,
            name=record.name,
            digest=record.sha256[:8],
            source_type="http",
            source=json.dumps({"url": record.source}),
            profile=record.profile,
        )
