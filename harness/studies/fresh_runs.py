"""Runs with fresh seeds after a study's trials: they confirm the best trials, or are tested once each."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal, NamedTuple

import torch

from harness.cli.progress import Eta
from harness.core.config import RunConfig
from harness.core.defaults import OPTIONAL, SEARCHED
from harness.core.network import PREFIX
from harness.data.dataset import Dataset
from harness.engines.base import Job
from harness.engines.cost import cost
from harness.tracking.model import import_in_background, log_model
from harness.tracking.reader import TrackedRun, check_digest
from harness.tracking.recorder import RecordedJob, Recorder
from harness.tracking.schema import CONFIG_HASH, JUDGED_STATES, STATE, TRIAL, Kind, State
from harness.training.model import Classifier, initial_model

_EXAMPLE_INPUTS = 2  # an exported model accepts any batch size if its example has more than one input
_CALLED = {"confirmation": "confirm", "winner": "winner", "baseline": "lesson"}


class FreshRun(NamedTuple):
    """A run that is wanted. A "winner" and a "baseline" (the lesson's setting) are tested, a "confirmation" is not.

    `trial` is the number of the trial whose hyperparameters it has, None for a baseline.
    """

    kind: Literal["confirmation", "winner", "baseline"]
    config: RunConfig
    trial: int | None

    @property
    def name(self) -> str:
        """The name of its MLflow run."""
        number = "" if self.trial is None else f" {self.trial}"
        return f"{_CALLED[self.kind]}{number} seed {self.config.seed}"


class FreshRuns:
    """Trains such runs below the recorder's parent run. `check_lock` raises if another process may run the study."""

    def __init__(self, recorder: Recorder, dataset: Dataset, check_lock: Callable[[], None]) -> None:
        self._recorder = recorder
        self._dataset = dataset
        self._check_lock = check_lock

    def recorded(self, wanted: Sequence[FreshRun], parent_id: str) -> dict[FreshRun, TrackedRun]:
        """Those that have a result (complete or diverged), each with its oldest run: a seed counts once.

        Raises `UserError` if the records of one were altered.
        """
        found: dict[tuple[str, str], TrackedRun] = {}
        reader = self._recorder.writer.read()
        for kind in {run.kind for run in wanted}:
            for run in reader.children(parent_id, kind):
                if run.tags.get(STATE) in JUDGED_STATES:
                    check_digest(run)
                    found.setdefault((kind, run.tags[CONFIG_HASH]), run)
        keys = {run: (run.kind, run.config.content_hash) for run in wanted}
        return {run: found[key] for run, key in keys.items() if key in found}

    def train(self, wanted: Sequence[FreshRun], what: str, model_of: FreshRun | None = None) -> int:
        """Train those that have no result yet; the number of runs that failed.

        The network of `model_of`, which is chosen before the tests, is logged.
        """
        recorder = self._recorder
        done = self.recorded(wanted, recorder.parent_id)
        missing = {run.name: run for run in wanted if run not in done}
        jobs = [Job(name, run.config, final=run.kind != "confirmation") for name, run in missing.items()]
        jobs.sort(key=lambda job: -cost(job.config))
        if model_of in missing.values():
            import_in_background()
        recorder.console.set_progress(len(done), len(wanted), what)
        eta = Eta(sum(cost(job.config) for job in jobs))
        failed = 0
        kinds: dict[str, Kind] = {name: run.kind for name, run in missing.items()}
        tags = {name: {} if run.trial is None else {TRIAL: str(run.trial)} for name, run in missing.items()}
        with closing(recorder.run(jobs, kinds, None, tags)) as records:
            for count, record in enumerate(records, start=len(done) + 1):
                run = missing[record.job.name]
                if record.result.weights is not None and run == model_of:
                    self._log_model(record, record.result.weights)
                self._check_lock()
                self._end_run(record, run)
                failed += record.result.state == "failed"
                eta.advance(cost(record.job.config))
                recorder.console.set_progress(count, len(wanted), what, eta.text())
        return failed

    def _end_run(self, record: RecordedJob, run: FreshRun) -> None:
        result, writer = record.result, self._recorder.writer
        state: State = "interrupted" if result.state == "stopped" else result.state
        text, metrics = "", {}
        if result.test is not None:
            metrics = {"test_loss": result.test[0], "test_accuracy": result.test[1]}
            text = f"test accuracy {result.test[1]:.4f}, {record.seconds:.1f} s"
        elif state == "complete":
            text = f"{record.epochs[-1].val_accuracy:.4f} at epoch {len(record.epochs)}, {record.seconds:.1f} s"
        writer.end_run(record.run, state, result.note, metrics)
        config = record.job.config
        fields = config.model_dump(include={*SEARCHED, *OPTIONAL})
        searched = {name: value for name, value in fields.items() if value != OPTIONAL.get(name)}
        searched |= {f"{PREFIX}{name}": value for name, value in config.network_params}
        self._recorder.console.print_run(run.name, state, text, searched, result.note)

    def _log_model(self, record: RecordedJob, weights: Mapping[str, Any]) -> None:
        model = initial_model(record.job.config, self._dataset)
        model.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        example, columns = self._dataset.train_inputs[:_EXAMPLE_INPUTS].numpy(), self._dataset.columns
        inputs = f"rows, {example.dtype}: {', '.join(columns)}" if columns else "grey levels, uint8"
        metadata = {"classes": list(self._dataset.classes), "input": inputs}
        writer, name, network = self._recorder.writer, self._recorder.name, record.job.config.network
        if sentence := log_model(writer, record.run, name, Classifier(model), example, metadata, network):
            self._recorder.console.warn(sentence)
