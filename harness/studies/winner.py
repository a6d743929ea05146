"""The winner of a study: trained again on train + validation with fresh seeds, and tested, once each run."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple

from harness.cli.console import Screen
from harness.core.config import RunConfig
from harness.data.dataset import Dataset
from harness.engines.base import Job
from harness.studies.trial import Shared, Trial
from harness.tracking.model import log_model, prepare
from harness.tracking.reader import CONFIG_HASH, MODEL, STATE, TRIAL, State
from harness.tracking.recorder import Record, Recorder
from harness.tracking.writer import Tracking

FRESH_RUNS = 3
_EXAMPLE_INPUTS = 2  # an exported model takes any batch size if its example has more than one


class WinnerRun(NamedTuple):
    """One of the winner's runs. `test_accuracy` is a fraction; `model` is its MLflow address, or ""."""

    run_id: str
    seed: int
    test_accuracy: float
    model: str


def winner_configs(best: Trial, shared: Shared) -> list[RunConfig]:
    """The best trial's hyperparameters on all training images, under the seeds that follow the study's own."""
    seeds = range(shared.seed + 1, shared.seed + 1 + FRESH_RUNS)
    return [shared.config(best.params, "lesson", fresh) for fresh in seeds]


def winner_runs(tracking: Tracking, parent_id: str, configs: list[RunConfig]) -> list[WinnerRun]:
    """Those of `configs` that were trained and tested, in the order of their seeds."""
    hashes = {config.content_hash for config in configs}
    runs = [
        WinnerRun(
            run.id,
            int(run.params["seed"]),
            run.metrics["test_accuracy"],
            run.tags.get(MODEL, ""),
        )
        for run in tracking.children(parent_id, "winner")
        if run.tags.get(STATE) == "complete" and run.tags[CONFIG_HASH] in hashes
    ]
    return sorted(runs, key=lambda run: run.seed)


def crown(
    best: Trial,
    configs: list[RunConfig],
    recorder: Recorder,
    tracking: Tracking,
    screen: Screen,
    dataset: Dataset,
    model_of: RunConfig,
) -> None:
    """Train and test `configs`. The model of one that was chosen beforehand is logged, whichever of them tests best."""
    jobs = [Job(f"winner {best.number} seed {config.seed}", config, final=True) for config in configs]
    tags = {job.name: {TRIAL: str(best.number)} for job in jobs}
    if model_of in configs:
        prepare()
    screen.progress(0, len(jobs), "winner runs")
    with closing(recorder.run(jobs, "winner", None, tags)) as records:
        for done, record in enumerate(records, start=1):
            _finish(record, tracking, screen, dataset, best, with_model=record.job.config == model_of)
            screen.progress(done, len(jobs), "winner runs")


def _finish(
    record: Record, tracking: Tracking, screen: Screen, dataset: Dataset, best: Trial, with_model: bool
) -> None:
    ending = record.ending
    if ending.test is None or ending.weights is None:
        state: State = ending.state if ending.state != "stopped" else "interrupted"
        tracking.finish(record.run_id, state, ending.note)
        screen.ended(record.job.name, state, ending.note, best.params)
        return
    if with_model:
        _log_model(record, ending.weights, tracking, dataset)
    loss, accuracy = ending.test
    tracking.finish(record.run_id, "complete", metrics={"test_loss": loss, "test_accuracy": accuracy})
    screen.ended(record.job.name, "complete", f"test accuracy {accuracy:.4f}, {record.seconds:.1f} s", best.params)


def _log_model(record: Record, weights: Mapping[str, Any], tracking: Tracking, dataset: Dataset) -> None:
    import torch

    from harness.training.model import Classifier, initial_model

    model = initial_model(record.job.config, dataset)
    model.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    example = dataset.train_inputs[:_EXAMPLE_INPUTS].numpy()
    taken = f"rows, float32: {', '.join(dataset.columns)}" if dataset.columns else "grey levels, uint8"
    described = {"classes": list(dataset.classes), "input": taken}
    log_model(tracking, record.run_id, Classifier(model), example, described)
