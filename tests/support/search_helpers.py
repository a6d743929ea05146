"""Searches of the digits with the real command, and what they recorded."""

import os
import subprocess
import sys
import time

import optuna
from support.paths import PROJECT

from harness.tracking.reader import ExperimentReader

DIGITS = ("harness.search", "--dataset", "digits")
TIMES = ("epoch_seconds", "samples_per_second")
LONG = "[epochs]\nchoices=[1500]\n[lr]\nlow=0.01\nhigh=0.1\n"
ENDLESS = LONG.replace("1500", "40000")  # for searches that are stopped: records come a little later than epochs


def records(tmp_path, experiment="search/digits"):
    return ExperimentReader(f"sqlite:///{tmp_path}/mlflow.db", experiment)


def what_was_recorded(tmp_path):
    return what_was_recorded_in(records(tmp_path))


def what_was_recorded_in(here):
    """Everything of a search that must not depend on how it was run: params, metrics by epoch, states, proposals."""
    (parent,) = here.parents("study")
    found = {}
    for run in here.children(parent.id):
        if run.tags["harness.state"] == "interrupted":
            continue
        # As text, since a value that is not a number equals nothing.
        histories = {name: repr(here.history(run.id, name)) for name in run.metrics if name not in TIMES}
        params = {name: value for name, value in run.params.items() if name != "device"}
        assert run.name not in found, f"{run.name} was recorded twice"
        found[run.name] = (params, histories, run.tags["harness.state"], run.status)
    return found


def assert_undisturbed(folder, other):
    """Nothing lost, doubled, changed or left running, compared with the search in the folder `other`."""
    assert what_was_recorded(folder) == what_was_recorded(other)
    here = records(folder)
    (parent,) = here.parents("study")
    assert "RUNNING" not in {run.status for run in [parent, *here.children(parent.id)]}
    assert "RUNNING" not in {trial.state.name for trial in optuna_states(folder).trials}


def optuna_states(tmp_path):
    (study,) = optuna.get_all_study_summaries(f"sqlite:///{tmp_path}/optuna.db")
    return optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{tmp_path}/optuna.db")


def start(tmp_path, *arguments, **env):
    return subprocess.Popen(
        [sys.executable, "-m", *DIGITS, *arguments],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"} | env,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def running(tmp_path):
    try:
        here = records(tmp_path)
    except Exception:  # noqa: BLE001  # not there yet
        return []
    return [run for parent in here.parents("study") for run in here.children(parent.id)]


def wait_for(happened, seconds=90):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
