"""Runs that were really trained and recorded, trained again."""

import re
import sqlite3
from contextlib import closing

import pytest
from mlflow import MlflowClient

from harness import replay
from harness.cli.console import Console
from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.metrics import best_epoch
from harness.data.dataset import record_of
from harness.engines.base import Epoch, Finished, Job, Started
from harness.engines.execution import execute
from harness.tracking.reader import ExperimentReader
from harness.tracking.recorder import Recorder
from harness.tracking.schema import DATA, DIGEST, DUPLICATE_OF, GIT_COMMIT, HISTORIES, STACK, TRAJECTORY
from harness.tracking.writer import ExperimentWriter

ALL_PROBES = ("loss", "roughness", "path", "trajectory", "gradient_noise")


class Here:
    """An engine that trains in this process."""

    def __init__(self, dataset, stacked):
        self.dataset = dataset
        self.stacked = stacked

    def execute(self, jobs, proceed):
        for job in jobs:
            events = []

            def report(metrics, job=job, events=events):
                events.append(Epoch(job, metrics))
                return proceed(job, metrics)

            result = execute(job, self.dataset, "cpu", report, self.stacked)
            started = Started(job, 1, stack=1, matmul_backend="default") if self.stacked else Started(job, 1)
            yield from [started, *events, Finished(job, result)]


@pytest.fixture
def tracked(store, digits, monkeypatch):
    """`tracked(kind, …)` trains a run, records it as `kind`, and gives its id."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    tracking = ExperimentWriter(store, "search/digits", record_of(digits), "cpu")
    parent = tracking.open_parent("study", "study", {})
    console = Console()

    def make(
        kind,
        epochs=3,
        stop_after=None,
        state="complete",
        probes=(),
        watch_test=False,
        tags=None,
        stacked=False,
        **changes,
    ):
        split = "search" if kind in ("trial", "confirmation", "tuning") else "lesson"
        fields = LESSON | {"epochs": epochs, "seed": 420, "dataset": "digits", "split": split} | changes
        job = Job("some run", make_config(**fields), kind in ("winner", "baseline"), watch_test, probes)
        recorder = Recorder(Here(digits, stacked), tracking, console)
        recorder.parent_id = parent
        marks = {job.name: tags or {}}
        with closing(recorder.run([job], {job.name: kind}, lambda _job, m: m.epoch != stop_after, marks)) as records:
            (record,) = records
        metrics = {"training_seconds": record.seconds} if kind == "arm" else {}
        if record.result.test and state == "complete":
            metrics |= dict(zip(("test_loss", "test_accuracy"), record.result.test, strict=True))
        accuracies = tuple(epoch.val_accuracy for epoch in record.epochs)
        if kind == "trial" and state != "interrupted":
            metrics |= best_epoch(accuracies)
        if record.result.trajectory is not None:
            tracking.log_array(record.run, TRAJECTORY, record.result.trajectory)
        tracking.log_readings(record.run, record.result.readings)
        tracking.end_run(record.run, state, record.result.note, metrics)
        return tracking.id_of(record.run)

    make.tracking = tracking
    make.parent = parent
    return make


def without_digests(tracked, run_id):
    """As a run is recorded by earlier code."""
    client = MlflowClient(tracked.tracking.uri)
    for tag in (DIGEST, HISTORIES):
        client.delete_tag(run_id, tag)
    return client


def replayed(run_id, capsys):
    """The exit status and what was printed."""
    status = 0
    try:
        replay.main(run_id, data_dir=None, debug=False)
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize(
    "how",
    [
        {"kind": "trial", "batch_norm": True},
        {"kind": "trial", "stop_after": 2, "state": "pruned"},
        {"kind": "winner", "epochs": 2, "state": "interrupted"},
        {"kind": "trial", "stop_after": 1, "state": "interrupted"},
        {
            "kind": "trial",
            "lr": 0.8015,
            "gamma": 0.1386,
            "batch_size": 256,
            "batch_norm": True,
            "epochs": 8,
            "state": "diverged",
        },
        {"kind": "winner", "gamma": 0.9},
        {"kind": "baseline", "stacked": True},
        {"kind": "confirmation", "gamma": 0.9, "stacked": True},
        {"kind": "arm", "watch_test": True, "probes": ALL_PROBES, "hidden": 16},
        {"kind": "arm", "updates": 17, "probes": ("path",), "standardize": True},
        {"kind": "arm", "dataset": "two-basins", "batch_size": 1, "epochs": 1, "lr": 0.05, "updates": 50},
        {"kind": "tuning", "probes": ("validation_loss",)},
        {"kind": "trial", "batch_norm": True, "stacked": True},
        {"kind": "winner", "gamma": 0.9, "stacked": True},
        {"kind": "arm", "watch_test": True, "probes": ALL_PROBES, "hidden": 16, "stacked": True},
        {"kind": "arm", "updates": 17, "probes": ("path",), "hidden_batch_norm": True, "stacked": True},
        {"kind": "trial", "precision": "bfloat16", "stacked": True},
    ],
    ids=lambda how: " ".join(map(str, how.values()))[:40],
)
def test_every_metric_of_a_run_comes_out_the_same(tracked, capsys, how):
    run_id = tracked(**how)
    before = MlflowClient(tracked.tracking.uri).get_run(run_id).to_dictionary()
    status, out, err = replayed(run_id, capsys)
    assert (status, err) == (0, ""), out
    values, metrics = map(int, re.search(r"the same, bit for bit: (\d+) values of (\d+) metrics", out).groups())
    assert values >= metrics >= 2
    assert MlflowClient(tracked.tracking.uri).get_run(run_id).to_dictionary() == before, "nothing is written"


def test_a_run_without_an_epoch_has_nothing_to_compare(tracked, capsys):
    run_id = tracked("trial", lr=1e30, gamma=0.9, state="diverged")
    status, out, err = replayed(run_id, capsys)
    assert status == 1 and "it was diverged before it logged one" in err, out


def test_a_metric_that_was_altered_is_found(tracked, capsys):
    run_id = tracked("trial")
    MlflowClient(tracked.tracking.uri).log_metric(run_id, "val_loss", 0.5, step=7)
    status, _, err = replayed(run_id, capsys)
    assert status == 2 and "its params, metrics or tags are not those that were recorded" in err
    without_digests(tracked, run_id)
    status, out, err = replayed(run_id, capsys)
    assert status == 1
    assert "val_loss differs at 1 of 4 steps, first at step 7: no value, recorded 0.5" in out
    assert err == f"run {run_id} differs from its replay\n"


def test_another_commit_or_library_is_said_and_the_comparison_is_made(tracked, capsys):
    run_id = tracked("trial", tags={GIT_COMMIT: "0" * 40, "harness.environment.torch": "1.0"})
    status, out, _ = replayed(run_id, capsys)
    assert status == 0
    assert re.search(r"warning: the code is another commit: \w+, recorded 0000000000", out)
    assert re.search(r"warning: torch differs: 2\S+, recorded 1\.0", out)


def test_a_run_of_a_gpu_is_not_replayed_without_one(tracked, capsys, tmp_path):
    run_id = tracked("trial")
    without_digests(tracked, run_id)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("UPDATE params SET value = 'cuda' WHERE key = 'device' AND run_uuid = ?", (run_id,))
        database.commit()
    status, _, err = replayed(run_id, capsys)
    assert status == 2
    assert err == f"error: run {run_id} was trained on a GPU, and torch sees none here: replay it where there is one\n"


def test_other_data_are_refused(tracked, capsys):
    run_id = tracked("trial", tags={"harness.dataset_sha256": "ab" * 32})
    status, _, err = replayed(run_id, capsys)
    assert status == 2 and "the data are not those of the run" in err and "recorded abababababab" in err


def test_a_csv_file_that_is_gone_is_named(tracked, capsys):
    status, _, err = replayed(tracked("trial", tags={DATA: "csv:/gone/wine.csv"}), capsys)
    assert status == 2
    assert err == "error: /gone/wine.csv, on which the run was trained, does not exist any more: restore it\n"


def test_params_that_were_altered_are_refused(tracked, capsys):
    run_id = tracked("trial", tags={"harness.config_hash": "0" * 16})
    status, _, err = replayed(run_id, capsys)
    assert status == 2 and "its params are not those that it was run with" in err


def test_only_what_was_trained_can_be_replayed(tracked, capsys):
    status, _, err = replayed(tracked.parent, capsys)
    assert (
        status == 2
        and "is a study: give the id of a run that was trained: trial, confirmation, winner, baseline, arm, tuning"
        in err
    )
    original = tracked("trial")
    copy = tracked("trial", tags={DUPLICATE_OF: original})
    assert f"run {copy} was not trained, it repeats run {original}: replay that one" in replayed(copy, capsys)[2]
    failed = tracked("trial", state="failed")
    assert "cannot be compared: it failed" in replayed(failed, capsys)[2]
    assert "there is no run 'nope' in sqlite:///" in replayed("nope", capsys)[2]


def test_a_run_of_a_stack_is_trained_again_in_a_stack_and_another_way_would_show(tracked, capsys):
    """What `train` and a stack make of a config differs in its last bits: the tag decides which of them it was."""
    run_id = tracked("trial", epochs=5, gamma=0.9, stacked=True)
    assert MlflowClient(tracked.tracking.uri).get_run(run_id).data.tags[STACK] == "1"
    assert replayed(run_id, capsys)[0] == 0
    without_digests(tracked, run_id).delete_tag(run_id, STACK)
    status, out, _ = replayed(run_id, capsys)
    assert status == 1 and "train_loss differs at" in out


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "stacked"), [("digits", True), ("breast-cancer", False)])
def test_runs_of_a_real_search_are_replayed_whatever_shared_their_stack(
    command, capsys, monkeypatch, tmp_path, store, dataset, stacked
):
    (tmp_path / "one.toml").write_text("[batch_size]\nchoices = [32]\n[lr]\nlow = 0.01\nhigh = 0.3\n")
    spec = ("--dataset", dataset, "--trials", "5", "--workers", "1", "--space", "one.toml")
    searched = command("harness.search", *spec)
    assert searched.returncode == 0, searched.stderr
    reader = ExperimentReader(store, f"search/{dataset}")
    (parent,) = reader.parents("study")
    runs = reader.children(parent.id)
    assert any(int(run.tags.get(STACK, 0)) > 1 for run in runs) == stacked
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    for run in runs:
        status, out, err = replayed(run.id, capsys)
        assert (status, err) == (0, "") and "the same, bit for bit" in out, out
    done = command("harness.replay", runs[0].id)
    assert done.returncode == 0 and "the same, bit for bit" in done.stdout, done.stdout + done.stderr
