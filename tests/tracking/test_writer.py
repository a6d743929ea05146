import math
import sqlite3
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from support.paths import PROJECT

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import Stopped, UserError
from harness.core.metrics import DatasetRecord, EpochMetrics
from harness.storage.process import this_process
from harness.tracking.delivery import Sender
from harness.tracking.model import describe_model
from harness.tracking.operations import Operation
from harness.tracking.reader import ExperimentReader, check_digest
from harness.tracking.retry import RetryingClient
from harness.tracking.schema import RESTORED
from harness.tracking.spool_file import NotWrittenError, SpoolFile
from harness.tracking.writer import ExperimentWriter

DATASET = DatasetRecord("digits", "ab" * 32, "sklearn", "", "1,251 training images", "digits")
PARAMS = {
    "lr": 0.15, "gamma": 0.0, "batch_size": 128.0, "epochs": 10.0, "seed": 420.0, "batch_norm": 0.0, "hidden": 128.0,
    "standardize": 0.0, "hidden_batch_norm": 0.0, "nesterov": 0.0, "weight_decay": 0.0, "warmup_epochs": 0.0,
}  # fmt: skip
CONFIG = make_config(**LESSON, seed=420, dataset="digits", split="search")


def history(tracking, run_id, metric):
    reader = tracking.read()
    return reader.history(reader.run(run_id), metric)


@pytest.fixture
def tracking(store):
    return ExperimentWriter(store, "search/digits", DATASET, "cpu")


@pytest.fixture
def parent(tracking):
    return tracking.open_parent("study", "study", {"seed": 420})


def test_a_trial_is_recorded_under_the_names_of_the_design(tracking, parent):
    run_id = tracking.start_run(parent, "trial 0", "trial", CONFIG, {"harness.trial": "0", "harness.attempt": "1"})
    tracking.log_epoch(run_id, EpochMetrics(1, 0.7, 0.75, 0.6, 0.8, 0.5, 100_000.0, 391))
    tracking.log_epoch(run_id, EpochMetrics(2, 0.5, 0.82, 0.5, 0.83, 0.4, 125_000.0, 391))
    tracking.end_run(run_id, "complete", metrics={"best_val_accuracy": 0.83, "best_epoch": 2})
    (run,) = tracking.read().children(parent)
    assert (run.id, run.name, run.status) == (tracking.id_of(run_id), "trial 0", "FINISHED")
    assert run.params == {
        "lr": "0.15", "gamma": "0.0", "batch_size": "128", "epochs": "10", "batch_norm": "False", "seed": "420",
        "dataset": "digits", "split": "search", "device": "cpu", "hidden": "128", "standardize": "False",
        "hidden_batch_norm": "False", "precision": "float32", "optimizer": "sgd", "nesterov": "False",
        "weight_decay": "0.0", "lr_schedule": "constant", "warmup_epochs": "0",
    }  # fmt: skip
    assert run.metrics == {
        "train_loss": 0.5, "train_accuracy": 0.82, "val_loss": 0.5, "val_accuracy": 0.83, "epoch_seconds": 0.4,
        "samples_per_second": 125_000.0, "best_val_accuracy": 0.83, "best_epoch": 2.0, "epoch_updates": 391.0,
        **{f"system/param/{name}": value for name, value in PARAMS.items()},
    }  # fmt: skip
    expected = {
        "harness.kind": "trial", "harness.state": "complete", "harness.trial": "0", "harness.attempt": "1",
        "harness.config_hash": CONFIG.content_hash, "harness.dataset_sha256": "ab" * 32,
        "harness.owner": this_process(), "mlflow.parentRunId": parent,
    }  # fmt: skip
    assert expected.items() <= dict(run.tags).items()
    assert {"harness.git_commit", "harness.git_dirty"} <= set(run.tags)
    assert history(tracking, run.id, "val_accuracy") == {1: 0.8, 2: 0.83}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("complete", "FINISHED"),
        ("pruned", "KILLED"),
        ("diverged", "FAILED"),
        ("failed", "FAILED"),
        ("interrupted", "KILLED"),
    ],
)
def test_each_state_has_its_status(tracking, parent, state, status):
    run_id = tracking.start_run(parent, "trial 0", "trial", CONFIG, {})
    tracking.end_run(run_id, state, "why")
    (run,) = tracking.read().children(parent)
    assert (run.status, run.tags["harness.state"], run.tags["harness.note"]) == (status, state, "why")


def test_the_data_are_an_mlflow_dataset(tracking, parent):
    run = MlflowClient(tracking.uri).get_run(parent)
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("digits", "abababab")
    assert data.dataset.profile == "1,251 training images"


def test_a_fallback_is_recorded_in_params_and_tags(store):
    tracking = ExperimentWriter(store, "search/digits", DATASET._replace(fallback="no network"), "cpu")
    parent = tracking.open_parent("study", "study", {})
    tracking.start_run(parent, "trial 0", "trial", CONFIG, {})
    for run in (tracking.parent("study", "study"), *tracking.read().children(parent)):
        assert run.params["dataset_fallback"] == run.tags["harness.dataset_fallback"] == "no network"


def test_a_parent_is_made_once_and_taken_over_later(tracking, parent):
    tracking.end_run(parent, "interrupted")
    assert tracking.parent("study", "study").status == "KILLED"
    assert tracking.open_parent("study", "study", {"seed": 420}) == parent
    assert tracking.parent("study", "study").status == "RUNNING"
    assert tracking.open_parent("other", "study", {}) != parent


def test_only_another_live_process_is_a_live_owner(tracking, parent):
    assert tracking.live_owner("none", "study", elsewhere=True) is None
    assert tracking.live_owner("study", "study", elsewhere=True) is None  # this very process
    host, _, start_run = this_process().split(" ")
    tracking._log(parent, tags={"harness.owner": f"{host} 999999999 {start_run}"})
    assert tracking.live_owner("study", "study", elsewhere=True) is None  # dead
    tracking._log(parent, tags={"harness.owner": "elsewhere.example 1 1.00"})
    assert tracking.live_owner("study", "study", elsewhere=True) == "elsewhere.example 1 1.00"
    assert tracking.live_owner("study", "study", elsewhere=False) is None, "a lock keeps it out"
    tracking.end_run(parent, "complete")
    assert tracking.live_owner("study", "study", elsewhere=True) is None  # it has ended


def test_a_loss_that_is_not_a_number_survives(tracking, parent):
    run_id = tracking.start_run(parent, "trial 0", "trial", CONFIG, {})
    tracking.log_epoch(run_id, EpochMetrics(1, math.nan, 0.1, None, None, 1.0, 1.0, 1))
    (run,) = tracking.read().children(parent)
    assert math.isnan(run.metrics["train_loss"])
    assert "val_loss" not in run.metrics


def test_more_children_than_a_page_are_all_read(tracking, parent, store):
    """MLflow gives 1,000 runs a page; the rows are written directly, since through MLflow it takes a minute."""
    database = sqlite3.connect("mlflow.db")
    columns = "run_uuid, name, user_id, status, start_time, lifecycle_stage, experiment_id"
    row = f"insert into runs ({columns}) values (?,?,?,?,?,?,?)"
    experiment = int(tracking.read().experiment_id)
    names = [f"{number:032x}" for number in range(2_500)]
    database.executemany(row, [(name, name, "me", "FINISHED", n, "active", experiment) for n, name in enumerate(names)])
    set_tags = "insert into tags (key, value, run_uuid) values ('mlflow.parentRunId', ?, ?)"
    database.executemany(set_tags, [(parent, name) for name in names])
    database.commit()
    database.close()
    assert [run.id for run in tracking.read().children(parent)] == names


def test_reading_an_experiment_that_is_not_there_names_it(store):
    with pytest.raises(UserError, match=r"no 'search/nothing' in sqlite:///.*; run: .*python -m harness.search "):
        ExperimentReader(store, "search/nothing")


def test_a_run_id_in_the_environment_is_ignored():
    code = "import os, harness.tracking.reader; print(os.environ.get('MLFLOW_RUN_ID'))"
    env = {"MLFLOW_RUN_ID": "0" * 32, "PYTHONPATH": str(PROJECT), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_a_value_that_is_no_number_is_no_second_value(tracking, parent):
    run = tracking.start_run(parent, "a", "trial", CONFIG, {})
    tracking.log_metrics(run, {"loss": math.nan})
    tracking.log_metrics(run, {"loss": math.nan})
    assert math.isnan(history(tracking, tracking.id_of(run), "loss")[0])


def test_a_model_that_is_not_there_any_more_is_not_described(tracking, parent):
    run = tracking.start_run(parent, "a", "winner", CONFIG, {})
    tracking.end_run(run, "complete", metrics={"test_accuracy": 0.9})
    run_id = tracking.id_of(run)
    describe_model(tracking, run_id, f"models:/m-{'0' * 32}", "a card", {"test_accuracy": 0.9})
    check_digest(tracking.read().run(run_id))


def test_a_run_that_has_ended_keeps_its_state_and_digest_whoever_ends_it_again(tracking, parent):
    run = tracking.start_run(parent, "a", "trial", CONFIG, {})
    tracking.end_run(run, "complete", metrics={"best": 1.0})
    tracking.end_run(run, "interrupted", "stopped during an epoch")
    ended = tracking.read().run(tracking.id_of(run))
    check_digest(ended)
    assert (ended.tags["harness.state"], ended.status) == ("complete", "FINISHED")
    MlflowClient(tracking.uri).update_run(ended.id, status="RUNNING")
    tracking.end_left_open(tracking.read().run(ended.id))
    check_digest(tracking.read().run(ended.id))
    assert tracking.read().run(ended.id).status == "FINISHED"
    died = tracking.start_run(parent, "b", "trial", CONFIG, {})
    tracking.end_left_open(tracking.read().run(tracking.id_of(died)))
    assert tracking.read().run(tracking.id_of(died)).tags["harness.state"] == "interrupted"


def test_an_interrupted_run_is_told_from_a_pruned_one_by_its_name(tracking, parent):
    pruned, stopped, died = (tracking.start_run(parent, f"trial {number}", "trial", CONFIG, {}) for number in range(3))
    tracking.end_run(pruned, "pruned")
    tracking.end_run(stopped, "interrupted")
    tracking.end_left_open(tracking.read().run(tracking.id_of(died)))
    runs = {run.name: run for run in tracking.read().children(parent)}
    assert sorted(runs) == ["trial 0", "trial 1, interrupted", "trial 2, interrupted"]
    assert {run.status for run in runs.values()} == {"KILLED"}
    for run in runs.values():
        check_digest(run)
        tracking.restore_name(run)
    assert sorted(run.name for run in tracking.read().children(parent)) == ["trial 0", "trial 1", "trial 2"]


def test_records_that_come_late_meet_the_run_that_was_written_again(tracking, parent, store):
    """A spool file in another folder is delivered after the run was restored from Optuna."""
    late = Operation("uid-late", "create_run", {
        "experiment_id": tracking.read().experiment_id, "run_name": "trial 0", "start_time": 1, "tags": {}, "runs": {},
    })  # fmt: skip
    restored = tracking.start_run(parent, "trial 0", "trial", CONFIG, {RESTORED: "yes"}, uid="uid-late")
    tracking.end_run(restored, "complete")
    tracking.close(wait=True)
    Sender(RetryingClient(store)).send(late, may_exist=True)
    assert [run.name for run in tracking.read().children(parent)] == ["trial 0"]


def test_a_run_whose_state_cannot_be_written_is_left_open(tracking, parent, monkeypatch):
    """The disk is full for the record of its state, and not for the shorter one of its status."""
    run = tracking.start_run(parent, "a", "trial", CONFIG, {})
    tracking.read()
    append = SpoolFile.append

    def full(file, operation):
        if operation.method == "log_batch":
            raise NotWrittenError(file.path, "No space left on device")
        append(file, operation)

    with monkeypatch.context() as patch:
        patch.setattr(SpoolFile, "append", full)
        with pytest.raises(Stopped, match="cannot be written \\(No space left on device\\)"):
            tracking.end_run(run, "complete")
        tracking.end_run(run, "interrupted")
    left = tracking.read().run(tracking.id_of(run))
    assert (left.status, "harness.state" in left.tags) == ("RUNNING", False)
    tracking._ended.clear()  # what follows is another process
    tracking.end_left_open(left)
    left = tracking.read().run(left.id)
    assert (left.status, left.tags["harness.state"]) == ("KILLED", "interrupted")
