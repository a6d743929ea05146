"""A study of ten thousand trials: it is resumed, reported and listed whole, though MLflow gives 1,000 runs a page."""

import json
import sqlite3
from contextlib import closing

import pytest

from benchmarks.searches import DIGITS, optuna_states, records

MANY = 10_000
FIRST = 12  # are real
RUNS = ("runs", "params", "tags", "latest_metrics", "metrics")
TRIALS = ("trials", "trial_params", "trial_values", "trial_intermediate_values", "trial_user_attributes")


def clone(database, tables, key, original, ids):
    """More rows like those of `original` under other ids; columns that number rows by themselves are left to do so."""
    for table in tables:
        columns = database.execute(f"PRAGMA table_info({table})").fetchall()
        own = [name for _, name, kind, *_, place in columns if place and kind == "INTEGER"]
        listed = ", ".join(f'"{column[1]}"' for column in columns if column[1] not in (key, *own))
        copy = f"INSERT INTO {table} ({key}, {listed}) SELECT ?, {listed} FROM {table} WHERE {key} = ?"
        database.executemany(copy, [(new, original) for new in ids])


def clone_runs(path, original, numbers):
    """More runs in MLflow's database, each a copy of `original` but for its id and number."""
    named = [(str(number), f"{number:032x}") for number in numbers]
    with closing(sqlite3.connect(path)) as database:
        clone(database, RUNS, "run_uuid", original, [new for _, new in named])
        database.executemany("UPDATE tags SET value = ? WHERE key = 'harness.trial' AND run_uuid = ?", named)
        database.executemany("UPDATE runs SET name = 'trial ' || ? WHERE run_uuid = ?", named)
        # Their digests are those of the original.
        of_it = "key LIKE 'harness.digest%' AND run_uuid = ?"
        database.executemany(f"DELETE FROM tags WHERE {of_it}", [(new,) for _, new in named])
        trials = "UPDATE tags SET value = ? WHERE key = 'harness.trials'"
        database.execute(trials, [str(1 + max(numbers))])
        database.commit()


def clone_trials(path, number, numbers):
    """More trials in Optuna's database, each a copy of that with this number."""
    with closing(sqlite3.connect(path)) as database:
        (original,) = database.execute("SELECT trial_id FROM trials WHERE number = ?", (number,)).fetchone()
        ids = [1_000 + new for new in numbers]
        clone(database, TRIALS, "trial_id", original, ids)
        database.executemany("UPDATE trials SET number = ? WHERE trial_id = ?", zip(numbers, ids, strict=True))
        database.commit()


@pytest.fixture
def many(tmp_path, store, command):
    """A finished study whose last complete trial was cloned until there were ten thousand."""
    assert command(*DIGITS, "--trials", str(FIRST)).returncode == 0
    study = optuna_states(tmp_path)
    original = next(
        trial for trial in reversed(study.trials) if trial.state.name == "COMPLETE" and trial != study.best_trial
    )
    clone_trials(tmp_path / "optuna.db", original.number, range(FIRST, MANY))
    outcome = json.loads(original.user_attrs["outcome"])
    here = records(tmp_path)
    (parent,) = here.parents("study")
    (run,) = [run for run in here.children(parent.id) if run.tags["harness.uid"] == outcome["run_id"]]
    clone_runs(tmp_path / "mlflow.db", run.id, range(FIRST, MANY))
    return parent.id


@pytest.mark.slow
def test_it_is_resumed_reported_and_listed(many, command, tmp_path):
    done = command(*DIGITS, "--trials", str(MANY))
    assert "has 10000 trials and its winner: nothing is left to do" in done.stdout, done.stderr

    more = command(*DIGITS, "--trials", str(MANY + 4))
    assert more.returncode == 0, more.stderr
    assert "4 of 10004 trials to run" in more.stdout
    assert f"{MANY + 4} trials: " in more.stdout
    assert {f"trial {MANY + number}" for number in range(4)} <= {line[:11] for line in more.stdout.splitlines()}

    told = command("analysis.study")
    assert told.returncode == 0, told.stderr
    assert f"{MANY + 4}: " in told.stdout

    children = records(tmp_path).children(many)
    trials = [run for run in children if run.tags["harness.kind"] == "trial"]
    assert sorted(int(run.tags["harness.trial"]) for run in trials) == list(range(MANY + 4))
