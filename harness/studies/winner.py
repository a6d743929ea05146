"""The winner of a study: trained on train + validation with fresh seeds, and tested once per run."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple

import torch

from harness.core.config import RunConfig
from harness.data.dataset import Dataset
from harness.engines.base import Job
from harness.studies.trial import StudyDefaults, Trial
from harness.tracking.model import import_in_background, log_model
from harness.tracking.reader import ExperimentReader
from harness.tracking.recorder import RecordedJob, Recorder
from harness.tracking.schema import CONFIG_HASH, JUDGED_STATES, MODEL, STATE, TRIAL, State
from harness.training.model import Classifier, initial_model

FRESH_RUNS = 3
_EXAMPLE_INPUTS = 2  # an exported model accepts any batch size if its example has more than one input


class WinnerRun(NamedTuple):
    """A run of the winner. `test_accuracy` is a fraction, None if it diverged; `model` is its MLflow URI, or ""."""

    run_id: str
    seed: int
    test_accuracy: float | None
    model: str


def winner_configs(best: Trial, defaults: StudyDefaults) -> list[RunConfig]:
    """The best trial's hyperparameters on all training examples, with the seeds that follow the study's seed."""
    seeds = range(defaults.seed + 1, defaults.seed + 1 + FRESH_RUNS)
    return [defaults.config(best.params, "lesson", seed) for seed in seeds]


def winner_runs(reader: ExperimentReader, parent_id: str, configs: list[RunConfig]) -> list[WinnerRun]:
    """The runs of `configs` that have a result: tested or diverged, in the order of their seeds."""
    hashes = {config.content_hash for config in configs}
    runs = [
        WinnerRun(run.id, int(run.params["seed"]), run.metrics.get("test_accuracy"), run.tags.get(MODEL, ""))
        for run in reader.children(parent_id, "winner")
        if run.tags.get(STATE) in JUDGED_STATES and run.tags[CONFIG_HASH] in hashes
    ]
    return sorted(runs, key=lambda run: run.seed)


def evaluate_winner(
    best: Trial, configs: list[RunConfig], recorder: Recorder, dataset: Dataset, model_of: RunConfig
) -> None:
    """Train and test `configs`. The model of `model_of`, chosen before the tests, is logged."""
    jobs = [Job(f"winner {best.number} seed {config.seed}", config, final=True) for config in configs]
    tags = {job.name: {TRIAL: str(best.number)} for job in jobs}
    if model_of in configs:
        import_in_background()
    recorder.console.set_progress(0, len(jobs), "winner runs")
    with closing(recorder.run(jobs, "winner", None, tags)) as records:
        for done, record in enumerate(records, start=1):
            if record.result.weights is not None and record.job.config == model_of:
                _log_model(record, record.result.weights, recorder, dataset)
            _end_run(record, best, recorder)
            recorder.console.set_progress(done, len(jobs), "winner runs")


def _end_run(record: RecordedJob, best: Trial, recorder: Recorder) -> None:
    result = record.result
    if result.test is None:
        state: State = result.state if result.state != "stopped" else "interrupted"
        recorder.writer.end_run(record.run, state, result.note)
        recorder.console.print_run(record.job.name, state, result.note, best.params)
        return
    loss, accuracy = result.test
    recorder.writer.end_run(record.run, "complete", metrics={"test_loss": loss, "test_accuracy": accuracy})
    text = f"test accuracy {accuracy:.4f}, {record.seconds:.1f} s"
    recorder.console.print_run(record.job.name, "complete", text, best.params)


def _log_model(record: RecordedJob, weights: Mapping[str, Any], recorder: Recorder, dataset: Dataset) -> None:
    model = initial_model(record.job.config, dataset)
    model.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    example = dataset.train_inputs[:_EXAMPLE_INPUTS].numpy()
    inputs = f"rows, {example.dtype}: {', '.join(dataset.columns)}" if dataset.columns else "grey levels, uint8"
    metadata = {"classes": list(dataset.classes), "input": inputs}
    log_model(recorder.writer, record.run, Classifier(model), example, metadata)
