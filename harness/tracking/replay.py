"""Trains a tracked run again from what MLflow recorded of it, and compares every metric. Writes nothing."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.cli.console import Console, format_params
from harness.core.config import RunConfig
from harness.core.errors import Stopped, UserError
from harness.core.metrics import EpochMetrics, Reading, best_epoch, logged
from harness.core.network import PREFIX, read_network
from harness.data.choice import DataChoice
from harness.data.dataset import Dataset
from harness.data.load import load
from harness.engines.base import Job, JobResult
from harness.engines.execution import execute
from harness.engines.machine import find_device
from harness.tracking import schema
from harness.tracking.comparison import NOT_COMPARED, Difference, differences, is_compared
from harness.tracking.provenance import source_tags
from harness.tracking.reader import ExperimentReader, TrackedRun, config_of, environment_of, find_run
from harness.tracking.recorder import RecordedJob
from harness.training.stacked.matmul import use_matmul_backend

TRAINED = ("trial", "confirmation", "winner", "baseline", "arm", "tuning")
# The results that a run in each state can have. An interrupted run may have been stopped after its last epoch.
_RESULTS = {
    "complete": ("complete",),
    "pruned": ("stopped",),
    "interrupted": ("stopped", "complete"),
    "diverged": ("diverged",),
}
_DIFFERENT = 1  # exit status


def replay_run(uri: str, run_id: str, data_dir: Path | None) -> None:
    """Train the run again and print the comparison.

    Raises `Stopped` if a metric differs, `UserError` if the run cannot be trained again.
    """
    reader, run = find_run(uri, run_id)
    _check_kind(run)
    console = Console()
    config = _with_network_text(config_of(run), reader, run)
    recorded = {metric: reader.history(run, metric) for metric in run.metrics if is_compared(metric)}
    if not recorded:
        raise Stopped(
            f"run {run.id} has no metrics to compare: it was {run.tags[schema.STATE]} before it logged one", _DIFFERENT
        )
    console.print(f"{run.name} ({run.tags[schema.STATE]}): {format_params(_told(config))}")
    console.print("loading the data ...")
    dataset = _load(run, data_dir)
    for line in [*_changed_network(config, run), *_changed_circumstances(run)]:
        console.warn(line)
    epochs = len(recorded.get("train_loss", {}))
    readings, result = _train(_job(run, config), dataset, run, epochs, console)
    replayed: dict[str, dict[int, float]] = defaultdict(dict)
    for name, step, value in readings:
        replayed[name][step] = value
    lines = [_describe(difference) for difference in differences(recorded, replayed)]
    lines += _result_differences(reader, run, result)
    for line in lines:
        console.print(line)
    if lines:
        raise Stopped(f"run {run.id} differs from its replay", _DIFFERENT)
    values = sum(map(len, recorded.values()))
    console.print(
        f"the same, bit for bit: {values:,} values of {len(recorded)} metrics ({', '.join(sorted(recorded))})"
    )
    left_out = [metric for metric in NOT_COMPARED if metric in run.metrics]
    console.print(f"not compared: {', '.join(left_out)}")


def _check_kind(run: TrackedRun) -> None:
    kind, state = run.tags.get(schema.KIND, ""), run.tags.get(schema.STATE, "")
    if kind not in TRAINED:
        what = f"a {kind}" if kind else "not a run of this project"
        raise UserError(f"run {run.id} is {what}: give the id of a run that was trained: {', '.join(TRAINED)}")
    if schema.STUDY in run.tags:
        raise UserError(f"run {run.id} is a whole search, {run.tags[schema.STUDY]}: replay a trial of that study")
    if schema.DUPLICATE_OF in run.tags:
        raise UserError(
            f"run {run.id} was not trained, it repeats run {run.tags[schema.DUPLICATE_OF]}: replay that one"
        )
    if schema.RESTORED in run.tags:
        raise UserError(f"run {run.id} was written again from Optuna's record, which is too little to compare")
    if state not in _RESULTS:
        why = f"it failed ({run.tags.get(schema.NOTE, '')})" if state else "it has not ended"
        raise UserError(f"run {run.id} cannot be compared: {why}")


def _load(run: TrackedRun, data_dir: Path | None) -> Dataset:
    header: Any = run.tags.get(schema.HEADER, "auto")
    ignored = tuple(json.loads(run.tags.get(schema.IGNORED, "[]")))
    spec, target = run.tags.get(schema.DATA, run.params["dataset"]), run.tags.get(schema.TARGET, "")
    choice = DataChoice(spec, target, header, ignored)
    if choice.path is not None and not choice.path.exists():
        raise UserError(f"{choice.path}, on which the run was trained, does not exist any more: restore it")
    dataset = load(choice, data_dir)
    recorded = run.tags[schema.DATASET_SHA256]
    if dataset.sha256 != recorded:
        raise UserError(
            f"the data are not those of the run: SHA-256 {dataset.sha256[:12]}, recorded {recorded[:12]}; restore"
            f" {choice.spec}"
        )
    return dataset


def _with_network_text(config: RunConfig, reader: ExperimentReader, run: TrackedRun) -> RunConfig:
    """The config with the text of its network, which is an artifact of the study or the claim."""
    if config.network is None:
        return config
    text = reader.text(run.tags[schema.PARENT_RUN_ID], config.network.file)
    try:
        return config.model_copy(update={"network": config.network.with_text(text)})
    except ValueError as error:
        raise UserError(f"the artifact {config.network.file} was altered ({error}): restore it") from None


def _changed_network(config: RunConfig, run: TrackedRun) -> list[str]:
    """A sentence if the network's file is not the recorded one any more."""
    path = Path(run.tags.get(schema.NETWORK_FILE, ""))
    if config.network is None or not path.is_file():
        return []
    try:
        is_same = read_network(f"{path.name}:{config.network.name}", path.parent) == config.network
    except UserError:
        is_same = False
    return [] if is_same else [f"{path} has changed since: the replay uses the recorded text"]


def _told(config: RunConfig) -> dict[str, Any]:
    """The params that a reader needs: without those at their default."""
    plain = config.model_dump(exclude_defaults=True).keys() | {"network"}
    return {name: value for name, value in config.params().items() if name in plain or name.startswith(PREFIX)}


def _changed_circumstances(run: TrackedRun) -> list[str]:
    """Commit, uncommitted changes, versions and processor, if they differ from what the run recorded."""
    here = source_tags("harness.replay")
    lines = []
    if run.tags.get(schema.GIT_COMMIT) != here.get(schema.GIT_COMMIT):
        lines.append(
            f"the code is another commit: {here.get(schema.GIT_COMMIT, 'unknown')[:10]},"
            f" recorded {run.tags.get(schema.GIT_COMMIT, 'unknown')[:10]}"
        )
    for what, tags in (("run was made", run.tags), ("replay is made", here)):
        if tags.get(schema.GIT_DIRTY) == "true":
            lines.append(f"the {what} by code with uncommitted changes")
    now, before = environment_of(here), environment_of(run.tags)
    differing = [name for name in {**before, **now} if before and now.get(name) != before.get(name)]
    lines += [f"{one} differs: {now.get(one, 'not set')}, recorded {before.get(one, 'not set')}" for one in differing]
    return lines


def _job(run: TrackedRun, config: RunConfig) -> Job:
    kind = run.tags[schema.KIND]
    watch_test = kind == "arm" and "test_accuracy" in run.metrics
    probes: Any = tuple(run.tags.get(schema.PROBES, "").split())  # an unknown name fails when the probe is made
    return Job(run.name, config, final=kind in ("winner", "baseline"), watch_test=watch_test, probes=probes)


def _train(
    job: Job, dataset: Dataset, run: TrackedRun, epochs: int, console: Console
) -> tuple[list[Reading], JobResult]:
    """Every value that the run would log, and its result. A run that was stopped is stopped after as many epochs."""
    device = find_device("auto") if run.params["device"] == "cuda" else "cpu"
    if device != run.params["device"]:
        raise UserError(f"run {run.id} was trained on a GPU, and torch sees none here: replay it where there is one")
    if device == "cpu":
        torch.set_num_threads(1)  # as in a worker
    trained: list[EpochMetrics] = []
    was_stopped = "stopped" in _RESULTS[run.tags[schema.STATE]]

    def on_epoch(metrics: EpochMetrics) -> bool:
        trained.append(metrics)
        console.set_progress(len(trained), epochs, "epochs")
        return not was_stopped or len(trained) < epochs

    # No number of a run depends on what shared its stack, so a stack of one gives the same numbers.
    backend: Any = run.tags.get(schema.MATMUL_BACKEND, "default")
    console.set_progress(0, epochs, "epochs")
    with console, use_matmul_backend(backend):
        result = execute(job, dataset.to(torch.device(device)), device, on_epoch, stacked=schema.STACK in run.tags)
    values = [reading for metrics in trained for reading in logged(metrics)] + list(result.readings)
    if run.tags[schema.KIND] == "trial" and trained and run.tags[schema.STATE] != "interrupted":
        best = best_epoch([metrics.val_accuracy or 0.0 for metrics in trained])
        values += [Reading(name, 0, value) for name, value in best.items()]
        if schema.TRAINING_COST in run.metrics:
            cost = RecordedJob(job, run.id, result, tuple(trained)).cost
            values.append(Reading(schema.TRAINING_COST, 0, cost))
    if result.test is not None and run.tags[schema.STATE] == "complete":
        values += [Reading("test_loss", 0, result.test[0]), Reading("test_accuracy", 0, result.test[1])]
    return values, result


def _result_differences(reader: ExperimentReader, run: TrackedRun, result: JobResult) -> list[str]:
    lines = []
    if result.state not in _RESULTS[run.tags[schema.STATE]]:
        lines.append(f"it ended differently: {result.state} {result.note}, recorded {run.tags[schema.STATE]}")
    elif result.state == "diverged" and result.note != run.tags.get(schema.NOTE, ""):
        lines.append(f"it diverged differently: {result.note}, recorded {run.tags.get(schema.NOTE, '')}")
    has_trajectory = run.tags[schema.STATE] == "complete" and result.trajectory is not None
    if has_trajectory and not np.array_equal(
        reader.array(run.id, schema.TRAJECTORY), result.trajectory, equal_nan=True
    ):
        lines.append(f"{schema.TRAJECTORY} differs")
    return lines


def _describe(difference: Difference) -> str:
    def text(value: float | None) -> str:
        return "no value" if value is None else repr(value)

    return (
        f"{difference.metric} differs at {difference.steps} of {difference.total} steps, first at step"
        f" {difference.first}: {text(difference.replayed)}, recorded {text(difference.recorded)}"
    )
