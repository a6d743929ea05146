"""The real command, as a user types it, on real data, with real stores and real worker processes."""

import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import psutil
import pytest
from mlflow import MlflowClient
from support.paths import DATA_DIR, PROJECT
from support.search_helpers import ENDLESS, LONG, assert_undisturbed, wait_for_an_epoch, wait_for_runs

from benchmarks.searches import DIGITS, optuna_states, records, start, what_was_recorded
from harness.core.metrics import DatasetRecord
from harness.studies.frames import study_frames
from harness.studies.page import study_page
from harness.tracking.reader import check_digest
from harness.tracking.writer import ExperimentWriter


def test_it_prints_a_line_a_trial_and_what_it_found(searched):
    _, done = searched
    lines = done.stdout.splitlines()
    assert sum(bool(re.match(r"trial \d+ +(complete|pruned|diverged)", line)) for line in lines) == 12
    for kind, count in (("confirm", 9), ("winner", 5), ("lesson", 5)):
        assert sum(bool(re.match(rf"{kind} (\d+ )?seed", line)) for line in lines) == count
    print_fields = (
        "data",
        "best config",
        "validation accuracy",
        "confirmed",
        "test accuracy",
        "gain",
        "trials",
        "importances",
        "time",
        "model",
    )
    for words in (*print_fields, "MLflow UI", "report", "more trials"):
        assert any(line.startswith(words) for line in lines), words
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_every_trial_is_in_mlflow_under_its_study_and_nothing_is_left_running(searched):
    folder, _ = searched
    here = records(folder)
    (parent,) = here.parents("study", "digits-420")
    children = here.children(parent.id)
    assert parent.status == "FINISHED"
    trials = [run.name for run in children if run.tags["harness.kind"] == "trial"]
    assert sorted(trials) == sorted(f"trial {number}" for number in range(12))
    assert {run.status for run in children} <= {"FINISHED", "KILLED", "FAILED"}
    lesson = next(run for run in children if run.name == "trial 0")
    assert (lesson.params["lr"], lesson.params["gamma"], lesson.params["batch_size"]) == ("0.15", "0.0", "128")
    assert len(here.history(lesson, "val_accuracy")) == 10
    assert "| validation accuracy |" in parent.tags["mlflow.note.content"]
    artifacts = {item.path for item in MlflowClient(here.uri).list_artifacts(parent.id)}
    assert artifacts == {"study.html", "search.toml"}


def test_the_page_holds_its_plots_and_needs_no_network(searched):
    folder, _ = searched
    here = records(folder)
    (parent,) = here.parents("study")
    page = Path(MlflowClient(here.uri).download_artifacts(parent.id, "study.html", str(folder))).read_text()
    for title in ("Best accuracy so far", "against training cost", "Parallel coordinates", "Accuracy by lr"):
        assert title in page
    assert "importances" not in page, "there are fewer than 20 complete trials"
    assert "<script src=" not in page
    assert "python -m harness.search --dataset digits" in page and "lr 0.001 to 1 (log)" in page
    assert page == study_page(study_frames(here, "digits-420"), here.uri), "analysis.study writes the same file"


def test_the_same_command_again_does_nothing_and_says_so(searched):
    folder, _ = searched
    before = (folder / "mlflow.db").read_bytes()
    for trials in ("12", "3"):
        again = subprocess.run(
            [sys.executable, "-m", *DIGITS, "--trials", trials],
            cwd=folder, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "has 12 trials and its winner: nothing is left to do" in again.stdout
        assert "best config" in again.stdout
        assert "--trials 22 adds ten" in again.stdout
    assert (folder / "mlflow.db").read_bytes() == before


# MLflow's loader of exported graphs has a predict() without a type hint.
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")
def test_the_page_of_the_model_says_how_good_it_is(searched):
    folder, _ = searched
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    here = records(folder)
    (parent,) = here.parents("study")
    tested = next(run for run in here.children(parent.id, "winner") if "harness.model" in run.tags)
    model = client.get_logged_model(tested.tags["harness.model"].rpartition("/")[2])
    assert model.name == "digits-420"
    own = tested.metrics["test_accuracy"]
    assert model.tags["mlflow.note.content"].startswith(f"**{own:.4f} test accuracy on digits**")
    (measured,) = [metric for metric in model.metrics if metric.key == "test_accuracy"]
    assert (measured.value, measured.dataset_name) == (own, "digits")
    check_digest(tested)
    experiment = client.get_experiment(here.experiment_id)
    assert experiment.tags["mlflow.note.content"].startswith("Searches on digits. Each study is a run")
    assert f"mlflow.sharedViewState.harness-{parent.id[:12]}" in experiment.tags


def test_the_model_names_a_class_for_any_number_of_images(searched, digits, monkeypatch):
    import mlflow

    folder, _ = searched
    here = records(folder)
    (parent,) = here.parents("study")
    first = next(run for run in here.children(parent.id, "winner") if run.params["seed"] == "421")
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(here.uri)
    model = mlflow.pyfunc.load_model(first.tags["harness.model"])
    images = digits.test_inputs.numpy()
    classes = model.predict(images)
    assert classes.shape == (300,)
    assert float(np.mean(classes == digits.test_labels.numpy())) == pytest.approx(first.metrics["test_accuracy"])
    assert model.predict(images[:1]).tolist() == classes[:1].tolist()
    assert model.metadata.signature.inputs.inputs[0].shape == (-1, 8, 8)
    assert model.metadata.metadata["classes"] == list("0123456789")
    assert not list(Path(model.metadata.get_model_info().model_uri).glob("*.pkl"))


SETTING = ("lr", "gamma", "batch_size", "epochs", "batch_norm")


def test_the_best_trials_are_confirmed_and_the_best_mean_wins(searched):
    folder, done = searched
    here = records(folder)
    (parent,) = here.parents("study")
    complete = [run for run in here.children(parent.id, "trial") if run.tags["harness.state"] == "complete"]
    best = sorted(complete, key=lambda run: -run.metrics["val_accuracy"])[:3]
    means = {}
    for trial in best:
        number = trial.tags["harness.trial"]
        runs = [run for run in here.children(parent.id, "confirmation") if run.tags["harness.trial"] == number]
        assert sorted(run.params["seed"] for run in runs) == ["521", "522", "523"]
        for run in runs:
            assert [run.params[name] for name in SETTING] == [trial.params[name] for name in SETTING]
            assert run.params["split"] == "search" and "test_accuracy" not in run.metrics
        means[number] = sum(run.metrics["val_accuracy"] for run in runs) / 3
    assert len(here.children(parent.id, "confirmation")) == 9
    assert parent.tags["harness.winner"] == max(means, key=lambda number: means[number])
    assert f"{max(means.values()):.4f} with 3 fresh seeds" in done.stdout


def test_winner_and_lesson_are_tested_once_each_with_the_same_fresh_seeds(searched):
    folder, done = searched
    here = records(folder)
    (parent,) = here.parents("study")
    won = next(run for run in here.children(parent.id, "trial") if run.name == f"trial {parent.tags['harness.winner']}")
    lesson = next(run for run in here.children(parent.id, "trial") if run.name == "trial 0")
    tested = {}
    for kind, trial in (("winner", won), ("baseline", lesson)):
        runs = here.children(parent.id, kind)
        assert sorted(run.params["seed"] for run in runs) == ["421", "422", "423", "424", "425"]
        for run in runs:
            assert [run.params[name] for name in SETTING] == [trial.params[name] for name in SETTING]
            assert run.params["split"] == "lesson" and "val_accuracy" not in run.metrics
            assert len(here.history(run, "test_accuracy")) == 1
        tested[kind] = {run.params["seed"]: run.metrics["test_accuracy"] for run in runs}
    gain = sum(tested["winner"][seed] - tested["baseline"][seed] for seed in tested["winner"]) / 5
    assert parent.metrics["test_gain"] == pytest.approx(gain)
    told = f"{100 * gain:.1f} points [{100 * parent.metrics['test_gain_low']:.1f}, "
    assert told in done.stdout and told in parent.tags["mlflow.note.content"]
    others = [*here.children(parent.id, "trial"), *here.children(parent.id, "confirmation")]
    assert not [run for run in others if "test_accuracy" in run.metrics]


@pytest.mark.slow
def test_a_locale_without_our_signs_changes_nothing(tmp_path, store, command):
    (tmp_path / "own.toml").write_text("# 学习率 ×\n[lr]\nlow=0.01\nhigh=0.1\n", encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    commands = {"digits 8×8": (*DIGITS, "--trials", "1", "--space", "own.toml"), "page: ": ("analysis.study",)}
    for printed, (module, *arguments) in commands.items():
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], cwd=tmp_path, capture_output=True, check=False,
            env=os.environ | {"PYTHONPATH": str(PROJECT)} | plain,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert printed in done.stdout.decode("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "4"])
def test_the_number_of_workers_changes_nothing(searched, command, tmp_path, store, workers):
    assert command(*DIGITS, "--trials", "12", "--workers", workers).returncode == 0
    assert what_was_recorded(tmp_path) == what_was_recorded(searched[0])


@pytest.mark.slow
def test_a_search_that_is_made_larger_is_the_one_that_was_as_large_from_the_start(searched, command, tmp_path, store):
    assert command(*DIGITS, "--trials", "5", "--workers", "2").returncode == 0
    more = command(*DIGITS, "--trials", "12", "--workers", "2")
    assert more.returncode == 0
    assert "7 of 12 trials to run" in more.stdout
    trials = {name: value for name, value in what_was_recorded(tmp_path).items() if name.startswith("trial")}
    assert trials == {n: v for n, v in what_was_recorded(searched[0]).items() if n.startswith("trial")}


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_stopping_leaves_nothing_running_and_says_how_to_go_on(tmp_path, store, number, status):
    (tmp_path / "long.toml").write_text(ENDLESS)
    process = start(tmp_path, "--trials", "6", "--space", "long.toml", "--workers", "2")
    wait_for_an_epoch(tmp_path)
    os.killpg(process.pid, number)  # as a terminal does: to the workers too
    output, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    assert re.match(
        r"stopped with \d of 6 trials done; resume with: .*harness.search --dataset digits --trials 6", errors
    )
    assert errors.count("\n") == 1
    assert "interrupted" in output
    here = records(tmp_path)
    (parent,) = here.parents("study")
    assert (parent.status, parent.tags["harness.state"]) == ("KILLED", "interrupted")
    assert {run.status for run in here.children(parent.id)} <= {"KILLED", "FINISHED"}
    assert not [t for t in optuna_states(tmp_path).trials if t.state == optuna.trial.TrialState.RUNNING]


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(tmp_path, store):
    (tmp_path / "long.toml").write_text(ENDLESS)
    process = start(tmp_path, "--trials", "4", "--space", "long.toml", "--workers", "2")
    wait_for_an_epoch(tmp_path)
    for worker in workers_of(process):
        worker.suspend()  # so that no epoch ends
    process.send_signal(signal.SIGINT)
    time.sleep(2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.startswith("stopped at once; resume with: ")
    here = records(tmp_path)
    (parent,) = here.parents("study")
    assert "RUNNING" not in {run.status for run in [parent, *here.children(parent.id)]}
    assert "RUNNING" not in {trial.state.name for trial in optuna_states(tmp_path).trials}


def workers_of(process):
    children = psutil.Process(process.pid).children()
    forkserver = next(child for child in children if "forkserver" in " ".join(child.cmdline()))
    return forkserver.children()


def test_a_killed_search_goes_on_in_another_time_zone_as_if_it_had_not_been(searched, tmp_path, store, command):
    process = start(tmp_path, "--trials", "12", "--workers", "2", TZ="Asia/Tokyo")
    wait_for_runs(tmp_path, 5)
    process.kill()
    process.communicate()
    resumed = command(*DIGITS, "--trials", "12", "--workers", "2", TZ="America/Los_Angeles")
    assert resumed.returncode == 0, resumed.stderr
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_a_killed_worker_costs_its_run_one_attempt(tmp_path, store):
    (tmp_path / "long.toml").write_text(LONG)
    process = start(tmp_path, "--trials", "2", "--space", "long.toml", "--workers", "2")
    wait_for_an_epoch(tmp_path)
    workers_of(process)[0].kill()
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "was killed by SIGKILL in attempt 1 of 3; the run starts again" in output
    here = records(tmp_path)
    (parent,) = here.parents("study")
    trials = [run for run in here.children(parent.id) if run.tags["harness.kind"] == "trial"]
    ends = sorted((run.tags["harness.attempt"], run.tags["harness.state"], run.status) for run in trials)
    assert ends == [("1", "complete", "FINISHED"), ("1", "interrupted", "KILLED"), ("2", "complete", "FINISHED")]


@pytest.mark.slow
def test_time_that_is_up_leaves_a_search_that_goes_on(tmp_path, store, command):
    (tmp_path / "long.toml").write_text(LONG)
    done = command(*DIGITS, "--space", "long.toml", "--timeout", "0.5", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "timeout reached" in done.stdout
    assert "resume with:" in done.stderr


@pytest.mark.slow
def test_a_time_that_is_always_up_bounds_every_phase_and_yet_ends(tmp_path, store, command):
    (tmp_path / "long.toml").write_text(LONG)
    asked = ("--space", "long.toml", "--workers", "1", "--trials", "2", "--confirm-seeds", "1", "--winner-seeds", "1")
    stops = []
    while (done := command(*DIGITS, *asked, "--timeout", "0")).stderr:
        assert done.returncode == 0 and len(stops) < 8, done.stderr
        stops.append(done.stderr.partition(";")[0])
    assert "gain" in done.stdout
    assert stops[-1] == "stopped after the trials, before the winner's last test"
    here = records(tmp_path)
    (parent,) = here.parents("study")
    states = [run.tags["harness.state"] for run in here.children(parent.id)]
    assert states.count("complete") == 2 + 2 + 1 + 1


@pytest.mark.slow
def test_a_config_that_was_run_is_not_run_again(tmp_path, store, command):
    (tmp_path / "two.toml").write_text("[batch_norm]\nchoices=[false, true]\n[epochs]\nchoices=[2]\n")
    done = command(*DIGITS, "--space", "two.toml", "--trials", "5", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "the lesson's own setting is outside this search space (epochs)" in done.stdout
    here = records(tmp_path)
    (parent,) = here.parents("study")
    copies = [run for run in here.children(parent.id) if "harness.duplicate_of" in run.tags]
    trials = [run for run in here.children(parent.id) if run.tags["harness.kind"] == "trial"]
    originals = {run.id: run for run in trials if run not in copies}
    assert len(originals) == len({run.params["batch_norm"] for run in trials})
    assert f"{len(copies)} repeat an earlier config, not trained again" in done.stdout
    for copy in copies:
        original = originals[copy.tags["harness.duplicate_of"]]
        assert copy.metrics["val_accuracy"] == original.metrics["val_accuracy"]
        assert copy.params == original.params
        assert "epoch_seconds" not in copy.metrics


@pytest.mark.slow
def test_a_search_in_which_every_run_diverges_says_so(tmp_path, store, command):
    (tmp_path / "wild.toml").write_text("[lr]\nlow=1e20\nhigh=1e30\n")
    done = command(*DIGITS, "--space", "wild.toml", "--trials", "2", "--workers", "1")
    assert done.returncode == 1
    assert "no trial is complete, so there is no winner" in done.stderr
    here = records(tmp_path)
    (parent,) = here.parents("study")
    assert {run.tags["harness.state"] for run in here.children(parent.id)} == {"diverged"}


@pytest.mark.slow
def test_what_is_renamed_or_deleted_in_mlflow_is_neither_made_again_nor_lost(tmp_path, store, command):
    assert command(*DIGITS, "--trials", "3").returncode == 0
    (parent,) = records(tmp_path).parents("study")
    client = MlflowClient(store)
    client.update_run(parent.id, name="my best search")
    assert "nothing is left to do" in command(*DIGITS, "--trials", "3").stdout
    more = command(*DIGITS, "--trials", "4")
    assert "1 of 4 trials to run" in more.stdout
    assert [run.id for run in records(tmp_path).parents("study")] == [parent.id]
    client.delete_run(parent.id)
    refused = command(*DIGITS, "--trials", "4")
    assert refused.returncode == 2
    restore = re.search(r"restore it with: \S+ -m (mlflow runs restore --run-id \w+), or begin", refused.stderr)[1]
    assert command(*restore.split(), MLFLOW_TRACKING_URI=store).returncode == 0
    assert "nothing is left to do" in command(*DIGITS, "--trials", "4").stdout


@pytest.mark.slow
def test_a_trial_that_is_deleted_during_a_search_leaves_nothing_running(tmp_path, store, command):
    (tmp_path / "long.toml").write_text(LONG)
    process = start(tmp_path, "--trials", "2", "--space", "long.toml", "--workers", "2")
    wait_for_an_epoch(tmp_path)
    here = records(tmp_path)
    (parent,) = here.parents("study")
    deleted = here.children(parent.id)[0]
    MlflowClient(store).delete_run(deleted.id)
    _output, errors = process.communicate(timeout=120)
    assert process.returncode == 1 and "is not in MLflow any more: it was deleted" in errors
    assert "RUNNING" not in {run.status for run in [*here.parents("study"), *here.children(parent.id)]}
    again = command(*DIGITS, "--trials", "2", "--space", "long.toml", "--workers", "2")
    assert again.returncode == 0, again.stderr
    states = [run.tags["harness.state"] for run in here.children(parent.id, "trial")]
    assert states.count("complete") == 2


@pytest.mark.slow
def test_a_winner_that_diverges_or_fails_is_no_success(tmp_path, store, command):
    """The space has one setting, at the edge of divergence: with seed 420 it learns, with others it does not."""
    (tmp_path / "edge.toml").write_text(
        "[lr]\nchoices=[0.8]\n[gamma]\nchoices=[0.5]\n[batch_norm]\nchoices=[true]\n[epochs]\nchoices=[10]\n"
        "[batch_size]\nchoices=[128]\n"
    )
    done = command(*DIGITS, "--space", "edge.toml", "--trials", "2")
    assert done.returncode == 0, done.stderr
    here = records(tmp_path)
    (parent,) = here.parents("study")
    runs = here.children(parent.id, "winner")
    diverged = [run for run in runs if run.tags["harness.state"] == "diverged"]
    told = f"no mean: {len(diverged)} of 5 fresh runs diverged"
    assert diverged and told in done.stdout and told in parent.tags["mlflow.note.content"]
    assert "mean ± sd, fresh runs" not in done.stdout
    assert math.isnan(parent.metrics["test_accuracy"]) and math.isnan(parent.metrics["test_gain"])
    assert f"the winner diverged with {len(diverged)} of 5 seeds" in done.stdout
    assert "nothing is left to do" in command(*DIGITS, "--space", "edge.toml", "--trials", "2").stdout
    MlflowClient(here.uri).set_tag(diverged[0].id, "harness.state", "failed")
    MlflowClient(here.uri).set_terminated(parent.id, "FAILED")
    again = command(*DIGITS, "--space", "edge.toml", "--trials", "2")
    assert again.returncode == 0, again.stderr
    assert len(re.findall(r"^winner \d+ seed", again.stdout, re.MULTILINE)) == 1 and told in again.stdout


@pytest.mark.slow
def test_a_study_that_another_live_process_runs_is_refused(tmp_path, store, command, digits):
    record = DatasetRecord("digits", digits.sha256, "", "", "", "digits")
    tracking = ExperimentWriter(store, "search/digits", record, "cpu")
    parent = tracking.open_parent("digits-420", "study", {})
    done = command(*DIGITS, "--trials", "1")
    assert done.returncode == 2
    assert "study 'digits-420' is being run by another process" in done.stderr
    assert tracking.parent("digits-420", "study").status == "RUNNING"
    assert parent


@pytest.mark.slow
def test_who_joins_waits_and_goes_on_where_the_other_one_died(searched, tmp_path, store):
    first = start(tmp_path, "--trials", "12", "--workers", "1")
    wait_for_runs(tmp_path, 3)
    first.send_signal(signal.SIGSTOP)  # so that it does not end before the second one is there
    second = start(tmp_path, "--trials", "12", "--workers", "1", "--wait")
    said = ""
    while f" {first.pid} " not in said:
        said = second.stdout.readline()
        assert said, second.stderr.read()
    assert "study 'digits-420' is being run by another process" in said
    first.kill()
    first.communicate()
    _output, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    assert what_was_recorded(tmp_path) == what_was_recorded(searched[0])


@pytest.mark.slow
def test_searches_started_at_the_same_instant_in_an_empty_folder(tmp_path, store):
    """Four with studies of their own, and the first study once more."""
    processes = [start(tmp_path, "--trials", "2", "--workers", "1", "--seed", seed) for seed in "12341"]
    outputs = [process.communicate() for process in processes]
    statuses = [process.returncode for process in processes]
    assert sorted(statuses) == [0, 0, 0, 0, 2], [errors for _, errors in outputs]
    assert statuses[1:4] == [0, 0, 0]
    assert "study 'digits-1' is being run by another process" in outputs[statuses.index(2)][1]
    parents = records(tmp_path).parents("study")
    assert sorted(parent.name for parent in parents) == ["digits-1", "digits-2", "digits-3", "digits-4"]
    assert {parent.status for parent in parents} == {"FINISHED"}


BAD_INPUT = [
    (("--trials", "0"), "--trials is 0: it should be at least 1"),
    (("--trials", "many"), "Invalid value for '--trials'"),
    (("--workers", "0"), "--workers is 0: it should be at least 1"),
    (("--workers", "100000"), "--workers is 100000: it should be at most"),
    (("--seed", "-1"), "--seed is -1: it should be at least 0"),
    (("--seed", "4294967096"), "--seed is 4294967096: it should be at most 4294967095"),
    (("--confirm", "-1"), "--confirm is -1: it should be at least 0"),
    (("--confirm-seeds", "0"), "--confirm-seeds is 0: it should be at least 1"),
    (("--winner-seeds", "101"), "--winner-seeds is 101: it should be at most 100"),
    (("--round-size", "0"), "--round-size is 0: it should be at least 1"),
    (("--timeout", "nan"), "--timeout is nan: it should be at least 0"),
    (("--device", "tpu"), "Invalid value for '--device': 'tpu' is not one of 'auto', 'cpu', 'cuda' (see --help)"),
    (("--precision", "int8"), "Invalid value for '--precision': 'int8' is not one of"),
    (("--momentum", "1"), "No such option"),
    (("--study", "../up"), "--study is '../up': it should be at most 100 letters"),
    (("--storage", "redis://here"), "--storage is 'redis://here': it should begin with one of sqlite://"),
    (("--storage", "sqlite:///no/folder/o.db"), "cannot be written to no/folder (No such file or directory)"),
    (("--storage", "sqlite:///mlflow.db"), "each needs its own database"),
    (("--space", "nowhere.toml"), "cannot read the search space nowhere.toml"),
    (("--space", "lr-zero.toml"), "lr-zero.toml: lr is 0.0: it should be greater than 0"),
    (("--space", "lr-nan.toml"), "lr-nan.toml: [lr] low is nan"),
    (("--space", "gamma-one.toml"), "gamma-one.toml: gamma is 1.0: it should be less than 1"),
    (("--dataset", "csv:none.csv"), "cannot read none.csv (No such file or directory); give the path of a CSV file"),
    (
        ("--dataset", "iris"),
        "dataset is 'iris': it should be one of auto, fashion-mnist, digits, breast-cancer, or csv:",
    ),
    (("--target", "kind"), "target is 'kind': it needs --dataset csv:PATH"),
    (("--space", "batch-zero.toml"), "batch-zero.toml: batch_size is 0: it should be greater than or equal to 1"),
    (("--space", "epochs-zero.toml"), "epochs-zero.toml: epochs is 0: it should be greater than or equal to 1"),
    (
        ("--space", "batch-huge.toml"),
        "batch_size goes up to 5000: it should be at most the 1251 training images",
    ),
    (("--dataset", "fashion-mnist", "--data-dir", "file"), "the data folder file is a file"),
    (("--dataset", "fashion-mnist", "--data-dir", "spoilt"), "is damaged or not the official file"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_INPUT, ids=[" ".join(case[0]) for case in BAD_INPUT])
def test_bad_input_is_one_line_with_status_2_and_leaves_nothing_behind(tmp_path, command, arguments, message):
    spaces = {
        "lr-zero": "[lr]\nlow=0\nhigh=1", "lr-nan": "[lr]\nlow=nan\nhigh=1", "gamma-one": "[gamma]\nlow=0\nhigh=1",
        "batch-zero": "[batch_size]\nchoices=[0]", "batch-huge": "[batch_size]\nchoices=[64, 5000]",
        "epochs-zero": "[epochs]\nlow=0\nhigh=2",
    }  # fmt: skip
    for name, text in spaces.items():
        (tmp_path / f"{name}.toml").write_text(text)
    (tmp_path / "file").write_text("")
    raw = tmp_path / "spoilt" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte.gz").write_bytes(b"half")
    before = set(tmp_path.iterdir())
    chosen = () if "--dataset" in arguments else ("--dataset", "digits")
    done = command("harness.search", *chosen, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_other_settings_under_the_same_name_are_refused(searched, command, tmp_path):
    import shutil

    shutil.copy(searched[0] / "optuna.db", tmp_path / "optuna.db")
    done = command(*DIGITS, "--study", "digits-420", "--seed", "7")
    assert done.returncode == 2
    assert "study 'digits-420' was made with seed 420, not 7" in done.stderr


@pytest.mark.slow
def test_runs_can_be_trained_one_by_one_but_a_study_is_not_mixed(tmp_path, store, command):
    alone = command(*DIGITS, "--trials", "2", "--no-stack")
    assert alone.returncode == 0, alone.stderr
    here = records(tmp_path)
    (parent,) = here.parents("study")
    assert not [run.name for run in here.children(parent.id) if "harness.stack" in run.tags]
    mixed = command(*DIGITS, "--trials", "3")
    assert mixed.returncode == 2
    assert 'study \'digits-420\' was made with stack "off", not "on"; keep stack as it was' in mixed.stderr


@pytest.mark.slow
def test_narrow_products_are_recorded_and_searched_with_alone(tmp_path, store, command):
    narrow = command(*DIGITS, "--trials", "2", "--precision", "bfloat16")
    assert narrow.returncode == 0, narrow.stderr
    here = records(tmp_path)
    (parent,) = here.parents("study")
    runs = here.children(parent.id)
    assert {run.params["precision"] for run in runs} == {"bfloat16"}
    assert {run.tags["harness.kind"] for run in runs} == {"trial", "confirmation", "winner", "baseline"}
    wide = command(*DIGITS, "--trials", "3")
    assert wide.returncode == 2
    assert 'was made with precision "bfloat16", not "float32"' in wide.stderr


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "qmc", "gp", "cmaes", "grid"])
def test_another_sampler_is_the_same_on_other_workers_and_after_a_kill(tmp_path, sampler):
    """With 14 trials, of which 10 are random, the last four come from the Gaussian process.

    On one worker; and on two, killed, then on four. All but the grid try a given config after the lesson's own.
    """
    few = ("--trials", "14", "--round-size", "4", "--confirm", "0", "--winner-seeds", "1")
    space = ("--space", "grid.toml") if sampler == "grid" else ()
    first = () if sampler == "grid" else ("--enqueue", "first.csv")
    other = (*few, *space, *first, "--sampler", sampler, "--pruner", "none")

    def search(name, *arguments):
        process = start(tmp_path / name, *arguments)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output, errors

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "first.csv").write_text("lr,epochs\n0.25,3\n")
        (tmp_path / name / "grid.toml").write_text(
            "[lr]\nchoices = [0.05, 0.15, 0.25]\n[epochs]\nchoices = [1, 2, 3]\n[batch_norm]\nchoices = [false, true]\n"
        )
    status, output, errors = search("whole", *other, "--workers", "1")
    assert status == 0 and " pruned " not in output, errors
    assert sampler == "grid" or re.search(r"^trial 1 .* lr 0.25 · .* epochs 3 ", output, re.MULTILINE)
    process = start(tmp_path / "killed", *other, "--workers", "2")
    wait_for_runs(tmp_path / "killed", 3)
    process.kill()
    process.communicate()
    assert search("killed", *other, "--workers", "4")[0] == 0
    assert_undisturbed(tmp_path / "killed", tmp_path / "whole")
    status, _, errors = search("killed", *few, *space)
    assert status == 2 and f'was made with sampler "{sampler}", not "tpe"' in errors


WIDE = """
[lr]
low = 0.05
high = 0.5
[hidden]
choices = [8, 16]
[standardize]
choices = [false, true]
[hidden_batch_norm]
choices = [false, true]
[optimizer]
choices = ["sgd", "rmsprop"]
[lr_schedule]
value = "cosine"
[gamma]
value = 0.9
"""


@pytest.mark.slow
def test_a_search_may_vary_every_field_of_the_network_and_fix_some(tmp_path, store, command):
    Path("space.toml").write_text(WIDE)
    few = ("--trials", "4", "--space", "space.toml", "--confirm", "2", "--confirm-seeds", "1", "--winner-seeds", "2")
    done = command(*DIGITS, *few, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "the lesson's own setting is outside this search space (gamma, hidden, lr_schedule)" in done.stdout
    here = records(tmp_path)
    (parent,) = here.parents("study")
    trials = here.children(parent.id, "trial")
    assert {run.params["gamma"] for run in trials} == {"0.9"} and {run.params["hidden"] for run in trials} <= {
        "8",
        "16",
    }
    assert {run.params["lr_schedule"] for run in trials} == {"cosine"}
    assert {run.params["optimizer"] for run in trials} <= {"sgd", "rmsprop"}
    baseline = here.children(parent.id, "baseline")
    assert {(run.params["hidden"], run.params["lr_schedule"]) for run in baseline} == {("128", "constant")}
    assert "hidden_batch_norm" in done.stdout and "| standardize | " in parent.tags["mlflow.note.content"]
    page = study_page(study_frames(here, "digits-420"), here.uri)
    assert "lr_schedule cosine, fixed" in page and "<td>cosine</td>" in page
    assert "gamma 0.9, fixed" in page and ">hidden_batch_norm</th>" in page
    again = command(*DIGITS, *few)
    assert "nothing is left to do" in again.stdout


def test_help_answers_in_under_half_a_second():
    """Without the coverage measurement that CI puts into every process, which costs as much again."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    env["PYTHONPATH"] = str(PROJECT)
    arguments = [sys.executable, "-m", "harness.search", "--help"]
    seconds = []
    for _ in range(10):
        begun = time.perf_counter()
        done = subprocess.run(arguments, env=env, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - begun)
    assert "--trials" in done.stdout
    assert min(seconds) < 0.5


@pytest.mark.fashion_mnist
def test_a_search_on_fashion_mnist(tmp_path, store, command):
    (tmp_path / "small.toml").write_text("[epochs]\nlow=1\nhigh=2\n[batch_norm]\nchoices=[false, true]\n")
    done = command("harness.search", "--trials", "2", "--space", "small.toml", HARNESS_DATA_DIR=str(DATA_DIR))
    assert done.returncode == 0, done.stderr
    assert "50,000 training, 10,000 validation, 10,000 test images" in done.stdout
    here = records(tmp_path, "search/fashion-mnist")
    (parent,) = here.parents("study")
    winners = [run for run in here.children(parent.id) if run.tags["harness.kind"] == "winner"]
    assert all(run.metrics["test_accuracy"] > 0.7 for run in winners)


# MLflow's loader of exported graphs has a predict() without a type hint.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")
def test_a_search_on_a_csv_file_gives_a_model_that_takes_its_rows(tmp_path, store, command, monkeypatch):
    import mlflow

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 2)) * (1, 1000) + (5, 0)
    kinds = np.where(rows[:, 0] > 5, "large", "small")
    lines = [f"{kind},{a:.4f},{b:.4f},7" for kind, (a, b) in zip(kinds, rows, strict=True)]
    (tmp_path / "two kinds.csv").write_text("\n".join(["kind,a,b,always", *lines]))
    data = ("--dataset", "csv:two kinds.csv", "--target", "kind")
    done = command("harness.search", *data, "--trials", "3", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == (
        "two kinds.csv: row 1 holds the names; the label is 'kind', the features are a, b, always"
    )
    assert "csv-two-kinds 3 columns: 210 training, 41 validation, 49 test rows, 2 classes" in done.stdout
    assert "warning: batch sizes above the 210 training rows of csv-two-kinds are left out" in done.stdout
    here = records(tmp_path, "search/csv-two-kinds")
    (parent,) = here.parents("study", "csv-two-kinds-420")
    assert (parent.tags["harness.data"], parent.tags["harness.target"]) == (f"csv:{tmp_path}/two kinds.csv", "kind")
    first = next(run for run in here.children(parent.id, "winner") if run.params["seed"] == "421")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(here.uri)
    model = mlflow.pyfunc.load_model(first.tags["harness.model"])
    assert model.metadata.metadata == {"classes": ["large", "small"], "input": "rows, float32: a, b, always"}
    told = model.predict(np.array([[6, 0, 7], [4, 0, 7]], dtype=np.float32))
    assert told.shape == (2,) and set(told.tolist()) <= {0, 1}


@pytest.mark.slow
def test_a_machine_without_data_or_network_searches_digits_and_says_so_loudly(tmp_path, store, command):
    # The port of a proxy that nobody listens on: every download is refused at once.
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = command("harness.search", "--trials", "1", "--workers", "1", **nowhere)
    assert done.returncode == 0, done.stderr
    assert (
        "warning: THIS IS NOT FASHION-MNIST but scikit-learn's small digits, because no complete Fashion-MNIST in data"
        in done.stdout
    )
    here = records(tmp_path)
    (parent,) = here.parents("study")
    for run in (parent, *here.children(parent.id)):
        assert "could not be downloaded" in run.params["dataset_fallback"]
        assert "could not be downloaded" in run.tags["harness.dataset_fallback"]
