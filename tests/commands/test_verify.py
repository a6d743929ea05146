"""`harness.verify` on the records of a real search."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from support.written_study import DATASET, add_trial, add_winner
from typer.testing import CliRunner

from benchmarks.searches import records
from harness.tracking.writer import ExperimentWriter
from harness.verify import app

STUDY = "digits-420"


@pytest.fixture
def copied(searched, tmp_path, command):
    shutil.copytree(searched[0], tmp_path, dirs_exist_ok=True)
    assert command("harness.relocate").returncode == 0
    return tmp_path


def change(folder, statement):
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        assert database.execute(statement).rowcount >= 1


@pytest.fixture
def verify(store, tmp_path, monkeypatch):
    """`verify("--replay", …)`: the command in this process, on a study that is written by hand."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    writer = ExperimentWriter(store, "search/digits", DATASET, "cpu")
    parent = writer.open_parent("mine", "study", {"seed": 420})
    add_trial(writer, parent, 0, "complete", [0.5, 0.7])
    add_winner(writer, parent, 0)
    return lambda *arguments: CliRunner().invoke(app, ["mine", *arguments])


def test_a_number_of_a_study_that_was_changed_is_found(verify, tmp_path):
    before = verify()
    assert before.exit_code == 0 and "4 of 4 runs are as they were recorded" in before.stdout
    for table in ("metrics", "latest_metrics"):
        change(tmp_path, f"UPDATE {table} SET value = 0.99 WHERE key = 'val_accuracy'")
    after = verify()
    assert after.exit_code == 1 and "1 run differs from what was recorded" in after.stderr
    assert verify("--replay", "-1").stderr == "error: --replay is -1: it should be at least 0\n"


@pytest.mark.slow
def test_every_run_of_a_search_has_a_digest_and_agrees_with_it(copied, command):
    (parent,) = records(copied).parents("study")
    count = len(records(copied).children(parent.id))
    done = command("harness.verify", STUDY, "--replay", "2")
    assert done.returncode == 0, done.stderr
    assert f"{count} of {count} runs are as they were recorded" in done.stdout
    assert done.stdout.count("the same, bit for bit") == 2
    assert "a digest stops accidents, not forgers" in done.stdout


@pytest.mark.slow
def test_a_number_that_was_changed_is_found_and_reported_nowhere(copied, command):
    (parent,) = records(copied).parents("study")
    winner = records(copied).children(parent.id, "winner")[0]
    for table in ("metrics", "latest_metrics"):
        change(copied, f"UPDATE {table} SET value = 0.99 WHERE key = 'test_accuracy' AND run_uuid = '{winner.id}'")
    verified = command("harness.verify", STUDY)
    told = f"run {winner.id} ({winner.name}): its params, metrics or tags are not those that were recorded"
    assert verified.returncode == 1 and told in verified.stdout
    assert "1 run differs from what was recorded" in verified.stderr
    for module, arguments in (("analysis.study", ()), ("harness.search", ("--dataset", "digits", "--trials", "12"))):
        refused = command(module, *arguments)
        assert refused.returncode == 2 and told in refused.stderr, module


@pytest.mark.slow
def test_what_has_no_digest_is_counted(copied, command):
    change(copied, "DELETE FROM tags WHERE key = 'harness.digest'")
    done = command("harness.verify", STUDY)
    assert done.returncode == 0 and "were recorded before digests" in done.stdout
    assert "runs were recorded before digests: a change of their numbers would go" in command("analysis.study").stdout


@pytest.mark.slow
def test_bad_names_and_numbers_are_one_line(copied, command):
    for arguments, told in (
        (("momentum",), "no claim or study in sqlite:///mlflow.db is called 'momentum'; there are: digits-420"),
        ((STUDY, "--replay", "-1"), "--replay is -1: it should be at least 0"),
    ):
        done = command("harness.verify", *arguments)
        assert done.returncode == 2 and done.stderr.startswith(f"error: {told}")
