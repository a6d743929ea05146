"""Runs that were really trained and recorded, trained again."""

import re
from contextlib import closing

import pytest

from harness import replay
from harness.cli.console import Screen
from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.data.dataset import record_of
from harness.engines.base import Epoch, Finished, Job, Started
from harness.engines.execution import execute
from harness.studies.trial import Outcome
from harness.tracking.reader import DATA, DUPLICATE_OF, GIT_COMMIT, STACK, TRAJECTORY
from harness.tracking.recorder import Recorder
from harness.tracking.writer import Tracking

ALL_PROBES = ("loss", "roughness", "path", "trajectory", "gradient_noise")


class Here:
    """An engine that trains in this process."""

    def __init__(self, dataset, stacked):
        self.dataset = dataset
        self.stacked = stacked

    def run(self, jobs, proceed):
        for job in jobs:
            events = []

            def report(metrics, job=job, events=events):
                events.append(Epoch(job, metrics))
                return proceed(job, metrics)

            ending = execute(job, self.dataset, "cpu", report, self.stacked)
            started = Started(job, 1, stack=1, products="default") if self.stacked else Started(job, 1)
            yield from [started, *events, Finished(job, ending)]


@pytest.fixture
def tracked(store, digits, monkeypatch):
    """`tracked(kind, …)` trains a run, records it as `kind`, and gives its id."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    tracking = Tracking(store, "search/digits", record_of(digits), "cpu")
    parent = tracking.open_parent("study", "study", {})
    screen = Screen()

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
        split = "search" if kind in ("trial", "tuning") else "lesson"
        fields = LESSON | {"epochs": epochs, "seed": 420, "dataset": "digits", "split": split} | changes
        job = Job("some run", make_config(**fields), kind == "winner", watch_test, probes)
        recorder = Recorder(Here(digits, stacked), tracking, screen, parent)
        marks = {job.name: tags or {}}
        with closing(recorder.run([job], kind, lambda _job, m: m.epoch != stop_after, marks)) as records:
            (record,) = records
        metrics = {"training_seconds": record.seconds} if kind == "arm" else {}
        if record.ending.test and state == "complete":
            metrics |= dict(zip(("test_loss", "test_accuracy"), record.ending.test, strict=True))
        accuracies = tuple(epoch.val_accuracy for epoch in record.epochs)
        if kind == "trial" and state != "interrupted":
            metrics |= Outcome("complete", "", accuracies, 0.0, "").best
        if record.ending.trajectory is not None:
            tracking.log_array(record.run_id, TRAJECTORY, record.ending.trajectory)
        tracking.log_readings(record.run_id, record.ending.readings)
        tracking.finish(record.run_id, state, record.ending.note, metrics)
        return tracking.id_of(record.run_id)

    make.tracking = tracking
    make.parent = parent
    return make


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
    before = tracked.tracking.client.get_run(run_id).to_dictionary()
    status, out, err = replayed(run_id, capsys)
    assert (status, err) == (0, ""), out
    values, metrics = map(int, re.search(r"the same, bit for bit: (\d+) values of (\d+) metrics", out).groups())
    assert values >= metrics >= 2
    assert tracked.tracking.client.get_run(run_id).to_dictionary() == before, "nothing is written"


def test_a_run_without_an_epoch_has_nothing_to_compare(tracked, capsys):
    run_id = tracked("trial", lr=1e30, gamma=0.9, state="diverged")
    status, out, err = replayed(run_id, capsys)
    assert status == 1 and "it was diverged at once" in err, out


def test_a_metric_that_was_altered_is_found(tracked, capsys):
    run_id = tracked("trial")
    tracked.tracking.client.log_metric(run_id, "val_loss", 0.5, step=7)
    status, out, err = replayed(run_id, capsys)
    assert status == 1
    assert "val_loss differs at 1 of 4 steps, first at step 7: no value, recorded 0.5" in out
    assert err == f"run {run_id} did not come out the same\n"


def test_another_commit_or_library_is_said_and_the_comparison_is_made(tracked, capsys):
    run_id = tracked("trial", tags={GIT_COMMIT: "0" * 40, "harness.environment.torch": "1.0"})
    status, out, _ = replayed(run_id, capsys)
    assert status == 0
    assert re.search(r"warning: the code is another commit: \w+, recorded 0000000000", out)
    assert re.search(r"warning: torch is another one: 2\S+, recorded 1\.0", out)


def test_other_data_are_refused(tracked, capsys):
    run_id = tracked("trial", tags={"harness.dataset_sha256": "ab" * 32})
    status, _, err = replayed(run_id, capsys)
    assert status == 2 and "the data are not those of the run" in err and "recorded abababababab" in err


def test_a_csv_file_that_is_gone_is_named(tracked, capsys):
    status, _, err = replayed(tracked("trial", tags={DATA: "csv:/gone/wine.csv"}), capsys)
    assert status == 2
    assert err == "error: /gone/wine.csv, on which the run was trained, is not there any more: bring it back\n"


def test_params_that_were_altered_are_refused(tracked, capsys):
    run_id = tracked("trial", tags={"harness.config_hash": "0" * 16})
    status, _, err = replayed(run_id, capsys)
    assert status == 2 and "its params are not those that it was run with" in err


def test_only_what_was_trained_can_be_replayed(tracked, capsys):
    status, _, err = replayed(tracked.parent, capsys)
    assert status == 2 and "is a study: only a trial, winner, arm or tuning run was trained" in err
    original = tracked("trial")
    copy = tracked("trial", tags={DUPLICATE_OF: original})
    assert f"run {copy} was not trained, it repeats run {original}: replay that one" in replayed(copy, capsys)[2]
    failed = tracked("trial", state="failed")
    assert "cannot be compared: it failed" in replayed(failed, capsys)[2]
    assert "there is no run 'nope' in sqlite:///" in replayed("nope", capsys)[2]


def test_a_run_of_a_stack_is_trained_again_in_a_stack_and_another_way_would_show(tracked, capsys):
    """What `train` and a stack make of a config differs in its last bits: the tag decides which of them it was."""
    run_id = tracked("trial", epochs=5, gamma=0.9, stacked=True)
    assert tracked.tracking.client.get_run(run_id).data.tags[STACK] == "1"
    assert replayed(run_id, capsys)[0] == 0
    tracked.tracking.client.delete_tag(run_id, STACK)
    status, out, _ = replayed(run_id, capsys)
    assert status == 1 and "train_loss differs at" in out


@pytest.mark.slow
def test_the_command_replays_trials_that_shared_a_stack_in_a_real_search(command, tmp_path, store):
    (tmp_path / "one.toml").write_text("[batch_size]\nchoices = [32]\n[lr]\nlow = 0.01\nhigh = 0.3\n")
    wish = ("--dataset", "digits", "--trials", "5", "--workers", "1", "--space", "one.toml")
    searched = command("harness.search", *wish)
    assert searched.returncode == 0, searched.stderr
    tracking = Tracking(store, "search/digits", record_of_breast_cancer(), "cpu")
    (parent,) = tracking.parents("study")
    runs = tracking.children(parent.id)
    assert max(int(run.tags[STACK]) for run in runs) > 1
    for run in runs:
        done = command("harness.replay", run.id)
        assert done.returncode == 0 and "the same, bit for bit" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_the_command_replays_a_trial_of_a_real_search(command, tmp_path, store):
    searched = command("harness.search", "--dataset", "breast-cancer", "--trials", "1", "--workers", "1")
    assert searched.returncode == 0, searched.stderr
    tracking = Tracking(store, "search/breast-cancer", record_of_breast_cancer(), "cpu")
    (parent,) = tracking.parents("study")
    for run in tracking.children(parent.id):
        done = command("harness.replay", run.id)
        assert done.returncode == 0 and "the same, bit for bit" in done.stdout, done.stdout + done.stderr


def record_of_breast_cancer():
    from harness.data.choice import DataChoice
    from harness.data.load import load

    return record_of(load(DataChoice("breast-cancer")))
