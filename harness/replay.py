"""`python -m harness.replay RUN_ID`: train a tracked run again from what MLflow knows of it, and compare every metric.

Only puts the parts together. Everything slow is imported after the run was found.
"""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import command
from harness.cli.options import DataDir, Debug
from harness.core.errors import Stopped, UserError
from harness.storage.checks import check_tracking, tracking_uri

if TYPE_CHECKING:
    from harness.cli.console import Screen
    from harness.core.config import RunConfig
    from harness.core.metrics import EpochMetrics, Reading
    from harness.data.dataset import Dataset
    from harness.engines.base import Ending, Job
    from harness.tracking.comparison import Difference
    from harness.tracking.reader import Records, TrackedRun

_TRAINED = ("trial", "winner", "arm", "tuning")
# An interrupted run may have been stopped after its last epoch.
_ENDED_AS = {
    "complete": ("complete",),
    "pruned": ("stopped",),
    "interrupted": ("stopped", "complete"),
    "diverged": ("diverged",),
}
_NOT_THE_SAME = 1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    run_id: Annotated[str, typer.Argument(help="The id of a trial, a winner, an arm or a tuning run in MLflow.")],
    data_dir: DataDir = None,
    debug: Debug = False,
) -> None:
    """Train a tracked run again and compare every metric, bit for bit; exit status 1 where one differs.

    It changes nothing in MLflow. Where commit, libraries, processor or data are not those of the run, it says so.
    """
    with command.one_line_endings(debug):
        check_tracking(tracking_uri())

        from harness.tracking.reader import find_run

        records, run = find_run(tracking_uri(), run_id)
        _check_kind(run)
        _replay(records, run, data_dir)


def _check_kind(run: "TrackedRun") -> None:
    from harness.tracking.reader import DUPLICATE_OF, KIND, NOTE, STATE

    kind, state = run.tags.get(KIND, ""), run.tags.get(STATE, "")
    if kind not in _TRAINED:
        what = f"a {kind}" if kind else "no run of this project"
        raise UserError(f"run {run.id} is {what}: only a trial, winner, arm or tuning run was trained; give its id")
    if DUPLICATE_OF in run.tags:
        raise UserError(f"run {run.id} was not trained, it repeats run {run.tags[DUPLICATE_OF]}: replay that one")
    if state not in _ENDED_AS:
        why = f"it failed ({run.tags.get(NOTE, '')})" if state else "it has not ended"
        raise UserError(f"run {run.id} cannot be compared: {why}")


def _replay(records: "Records", run: "TrackedRun", data_dir: Path | None) -> None:
    from harness.cli.console import Screen, show_params
    from harness.tracking.comparison import NOT_COMPARED, differences, is_compared
    from harness.tracking.reader import STATE, config_of

    screen = Screen()
    config = config_of(run)
    recorded = {metric: records.history(run.id, metric) for metric in run.metrics if is_compared(metric)}
    if not recorded:
        raise Stopped(f"run {run.id} has no metrics to compare: it was {run.tags[STATE]} at once", _NOT_THE_SAME)
    screen.say(f"{run.name} ({run.tags[STATE]}): {show_params(config.model_dump(exclude_defaults=True))}")
    screen.say("loading torch and the data ...")
    dataset = _load(run, data_dir)
    for line in _other_circumstances(run):
        screen.warn(line)
    job = _job(run, config)
    epochs = len(recorded.get("train_loss", {}))
    readings, ending = _train(job, dataset, run, epochs, screen)
    replayed: dict[str, dict[int, float]] = defaultdict(dict)
    for name, step, value in readings:
        replayed[name][step] = value
    differing = [_words(difference) for difference in differences(recorded, replayed)]
    differing += _other_ending(records, run, ending)
    for line in differing:
        screen.say(line)
    if differing:
        raise Stopped(f"run {run.id} did not come out the same", _NOT_THE_SAME)
    values = sum(map(len, recorded.values()))
    screen.say(f"the same, bit for bit: {values:,} values of {len(recorded)} metrics ({', '.join(sorted(recorded))})")
    left_out = [metric for metric in NOT_COMPARED if metric in run.metrics]
    screen.say(f"not compared: {', '.join(left_out)}")


def _load(run: "TrackedRun", data_dir: Path | None) -> "Dataset":
    from harness.data.choice import DataChoice
    from harness.data.load import load
    from harness.tracking.reader import DATA, DATASET_SHA256, TARGET

    choice = DataChoice(run.tags.get(DATA, run.params["dataset"]), run.tags.get(TARGET, ""))
    if choice.path is not None and not choice.path.exists():
        raise UserError(f"{choice.path}, on which the run was trained, is not there any more: bring it back")
    dataset = load(choice, data_dir)
    recorded = run.tags[DATASET_SHA256]
    if dataset.sha256 != recorded:
        raise UserError(
            f"the data are not those of the run: SHA-256 {dataset.sha256[:12]}, recorded {recorded[:12]}; bring back"
            f" {choice.wish} as it was"
        )
    return dataset


def _other_circumstances(run: "TrackedRun") -> list[str]:
    """What is not as it was: commit, changes to it, versions, processor. Only what the run has a record of."""
    from harness.tracking.provenance import source_tags
    from harness.tracking.reader import GIT_COMMIT, GIT_DIRTY, environment_of

    here = source_tags("harness.replay")
    lines = []
    if run.tags.get(GIT_COMMIT) != here.get(GIT_COMMIT):
        lines.append(
            f"the code is another commit: {here.get(GIT_COMMIT, 'unknown')[:10]},"
            f" recorded {run.tags.get(GIT_COMMIT, 'unknown')[:10]}"
        )
    for where, tags in (("run was made", run.tags), ("replay is made", here)):
        if tags.get(GIT_DIRTY) == "true":
            lines.append(f"the {where} by code with changes that were not committed")
    now = environment_of(here)
    for name, before in environment_of(run.tags).items():
        if now[name] != before:
            lines.append(f"{name} is another one: {now[name]}, recorded {before}")
    return lines


def _job(run: "TrackedRun", config: "RunConfig") -> "Job":
    from harness.engines.base import Job
    from harness.tracking.reader import KIND, PROBES

    kind = run.tags[KIND]
    watched = kind == "arm" and "test_accuracy" in run.metrics
    probes: Any = tuple(run.tags.get(PROBES, "").split())  # a name that is none fails when it is made
    return Job(run.name, config, final=kind == "winner", watch_test=watched, probes=probes)


def _train(
    job: "Job", dataset: "Dataset", run: "TrackedRun", epochs: int, screen: "Screen"
) -> "tuple[list[Reading], Ending]":
    """Every value that the run would log, and its ending; a run that was stopped is stopped after as many epochs."""
    import torch

    from harness.core.metrics import Reading, logged
    from harness.engines.execution import execute
    from harness.engines.machine import find_device
    from harness.studies.trial import Outcome
    from harness.tracking.reader import KIND, PRODUCTS, STACK, STATE
    from harness.training.stacked.matmul import library

    device = find_device("cuda" if run.params["device"] == "cuda" else "cpu")
    if device == "cpu":
        torch.set_num_threads(1)  # as in a worker
    seen: list[EpochMetrics] = []
    stops = "stopped" in _ENDED_AS[run.tags[STATE]]

    def report(metrics: "EpochMetrics") -> bool:
        seen.append(metrics)
        screen.progress(len(seen), epochs, "epochs")
        return not stops or len(seen) < epochs

    # The same products; a stack of one will do, because no number of a run depends on what shared its stack.
    products: Any = run.tags.get(PRODUCTS, "default")
    screen.progress(0, epochs, "epochs")
    with screen, library(products):
        ending = execute(job, dataset.to(torch.device(device)), device, report, stacked=STACK in run.tags)
    values = [reading for metrics in seen for reading in logged(metrics)] + list(ending.readings)
    if run.tags[KIND] == "trial" and seen and run.tags[STATE] != "interrupted":
        accuracies = tuple(metrics.val_accuracy or 0.0 for metrics in seen)
        best = Outcome("complete", "", accuracies, seconds=0.0, run_id=run.id).best
        values += [Reading(name, 0, value) for name, value in best.items()]
    if ending.test is not None and run.tags[STATE] == "complete":
        values += [Reading("test_loss", 0, ending.test[0]), Reading("test_accuracy", 0, ending.test[1])]
    return values, ending


def _other_ending(records: "Records", run: "TrackedRun", ending: "Ending") -> list[str]:
    import numpy as np

    from harness.tracking.reader import NOTE, STATE, TRAJECTORY

    lines = []
    if ending.state not in _ENDED_AS[run.tags[STATE]]:
        lines.append(f"it ended otherwise: {ending.state} {ending.note}, recorded {run.tags[STATE]}")
    elif ending.state == "diverged" and ending.note != run.tags.get(NOTE, ""):
        lines.append(f"it diverged otherwise: {ending.note}, recorded {run.tags.get(NOTE, '')}")
    kept = run.tags[STATE] == "complete" and ending.trajectory is not None
    if kept and not np.array_equal(records.array(run.id, TRAJECTORY), ending.trajectory, equal_nan=True):
        lines.append(f"{TRAJECTORY} differs")
    return lines


def _words(difference: "Difference") -> str:
    def told(value: float | None) -> str:
        return "no value" if value is None else repr(value)

    return (
        f"{difference.metric} differs at {difference.steps} of {difference.total} steps, first at step"
        f" {difference.first}: {told(difference.replayed)}, recorded {told(difference.recorded)}"
    )


if __name__ == "__main__":
    command.run(app)
