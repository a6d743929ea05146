"""What tests of searches compare and wait for."""

import sqlite3
import time
from contextlib import closing

from benchmarks.searches import optuna_states, records, what_was_recorded

LONG = "[epochs]\nchoices=[800]\n[lr]\nlow=0.01\nhigh=0.1\n"
ENDLESS = LONG.replace("800", "40000")  # for searches that are stopped: records come a little later than epochs


def assert_undisturbed(folder, other):
    """Nothing lost, doubled, changed or left running, compared with the search in the folder `other`."""
    assert what_was_recorded(folder) == what_was_recorded(other)
    here = records(folder)
    (parent,) = here.parents("study")
    assert "RUNNING" not in {run.status for run in [parent, *here.children(parent.id)]}
    assert "RUNNING" not in {trial.state.name for trial in optuna_states(folder).trials}


def wait_for(happened, seconds=90):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def wait_for_runs(folder, count, seconds=90):
    """Until so many runs of searches have begun in the MLflow database of the folder."""
    begun = "SELECT count(*) >= ? FROM tags WHERE key = 'mlflow.parentRunId'"
    wait_for(lambda: _told(folder, begun, count), seconds)


def wait_for_an_epoch(folder):
    """Until a run there has recorded an epoch."""
    wait_for(lambda: _told(folder, "SELECT count(*) FROM latest_metrics WHERE key = 'val_accuracy'"))


def _told(folder, question, *values):
    """What the database answers: a question to SQLite, not to MLflow, whose answer costs the search its processor."""
    try:
        with closing(sqlite3.connect(f"file:{folder}/mlflow.db?mode=ro", uri=True)) as database:
            return database.execute(question, values).fetchone()[0]
    except sqlite3.OperationalError:  # there is no database yet, or it is locked
        return False
