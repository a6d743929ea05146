"""Searches of the digits with the real command, and what they recorded. Tests use it too."""

import os
import subprocess
import sys
from pathlib import Path

import optuna

from harness.tracking.reader import ExperimentReader, TrackedRun

PROJECT = Path(__file__).parent.parent
DIGITS = ("harness.search", "--dataset", "digits")
TIMES = ("epoch_seconds", "samples_per_second", "training_seconds")
Recorded = dict[str, tuple[dict[str, str], dict[str, str], str, str]]


def start(folder: Path, *arguments: str, **env: str) -> "subprocess.Popen[str]":
    """A search in `folder`, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", *DIGITS, *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"} | env,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def records(folder: Path, experiment: str = "search/digits") -> ExperimentReader:
    """What MLflow's database in `folder` holds of the experiment."""
    return ExperimentReader(f"sqlite:///{folder}/mlflow.db", experiment)


def running(folder: Path) -> list[TrackedRun]:
    """The runs of the searches so far; none while there is no database."""
    try:
        here = records(folder)
    except Exception:  # noqa: BLE001  # a half-made database fails in many ways
        return []
    return [run for parent in here.parents("study") for run in here.children(parent.id)]


def what_was_recorded(folder: Path) -> Recorded:
    """As `what_was_recorded_in`, of the only search in `folder`."""
    return what_was_recorded_in(records(folder))


def what_was_recorded_in(here: ExperimentReader) -> Recorded:
    """What must not depend on how a search was run: by the name of the run, its params, histories, state and status."""
    (parent,) = here.parents("study")
    found: Recorded = {}
    for run in here.children(parent.id):
        if run.tags["harness.state"] == "interrupted":
            continue
        # As text, since a value that is not a number equals nothing.
        histories = {name: repr(here.history(run, name)) for name in run.metrics if name not in TIMES}
        params = {name: value for name, value in run.params.items() if name != "device"}
        assert run.name not in found, f"{run.name} was recorded twice"
        found[run.name] = (params, histories, run.tags["harness.state"], run.status)
    return found


def optuna_states(folder: Path) -> optuna.Study:
    """The only Optuna study in `folder`."""
    (study,) = optuna.get_all_study_summaries(f"sqlite:///{folder}/optuna.db")
    return optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{folder}/optuna.db")
