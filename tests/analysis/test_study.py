"""The report of a search, from records written by hand: no training, every number typed in."""

import html
import re
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from support.written_study import DATASET, TESTS, add_trial, add_winner
from typer.testing import CliRunner

from analysis.study import app
from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.core.metrics import EpochMetrics
from harness.studies.frames import study_frames
from harness.studies.page import study_page
from harness.tracking.reader import ExperimentReader
from harness.tracking.writer import ExperimentWriter

STATES = {0: "complete", 1: "pruned", 2: "complete", 3: "diverged"}
CURVES = {0: [0.5, 0.7], 1: [0.3], 2: [0.6, 0.8], 3: []}
FIGURES = [
    "Every trial, epoch by epoch",
    "Best accuracy so far",
    "Accuracy by lr",
    "Parallel coordinates",
    "Accuracy against training cost",
]


@pytest.fixture
def tracking(store):
    return ExperimentWriter(store, "search/digits", DATASET, "cpu")


@pytest.fixture
def parent(tracking):
    """A finished study of four trials, one of them with an interrupted first attempt, and its winner, trial 2."""
    parent = tracking.open_parent("study", "study", {"seed": 420})
    add_trial(tracking, parent, 2, "interrupted", [0.6])
    for number, state in STATES.items():
        add_trial(tracking, parent, number, state, CURVES[number])
    add_winner(tracking, parent, 2)
    return parent


def add_fresh(tracking, parent, kind, seeds, trial=None):
    """Runs of this kind: seed → accuracy, on validation or test images. None: it diverged."""
    name = "val_accuracy" if kind == "confirmation" else "test_accuracy"
    for seed, accuracy in seeds.items():
        config = make_config(**LESSON, seed=seed, dataset="digits", split="lesson")
        tags = {} if trial is None else {"harness.trial": str(trial)}
        run_id = tracking.start_run(parent, f"{kind} {trial} seed {seed}", kind, config, tags)
        tracking.end_run(run_id, "diverged" if accuracy is None else "complete", "", {name: accuracy or 0.9})
    tracking.close(wait=True)


def test_the_report_names_the_trial_that_won_its_confirmation_and_its_gain(tracking, parent, report):
    add_fresh(tracking, parent, "confirmation", {521: 0.6, 522: None}, trial=2)
    add_fresh(tracking, parent, "confirmation", {521: 0.55, 522: 0.57}, trial=0)
    add_fresh(tracking, parent, "baseline", {421: 0.69, 422: 0.70, 423: 0.70})
    tracking.set_tags(parent, {"harness.winner": "2"})
    tracking.close(wait=True)
    told = report("--study", "study").stdout
    confirmed = [line for line in told.splitlines() if line.startswith("confirmed")]
    assert confirmed == [
        "confirmed  trial 0: 0.7000 in the search, 0.5600 with 2 fresh seeds",
        "confirmed  trial 2: 0.8000 in the search, 0.3000 with 2 fresh seeds",
    ]
    # differences of 1, 2 and 4 points: mean 2.33, t interval (2 degrees of freedom, 4.303) of sd 1.53
    assert "gain  2.3 points [-1.5, 6.1] over the lesson's setting, which may be chance" in told
    page = Path("reports/study.html").read_text()
    assert "Gain: 2.3 points" in page and "0.3000 with 2 fresh seeds" in page


def test_only_what_the_last_command_asked_for_is_reported(tracking, parent, report):
    """More seeds were confirmed and tested before, another trial was confirmed, and another one had won."""
    add_fresh(tracking, parent, "confirmation", {521: 0.6, 522: 0.1}, trial=2)
    add_fresh(tracking, parent, "confirmation", {521: 0.9}, trial=0)
    add_fresh(tracking, parent, "baseline", {421: 0.69, 422: 0.70, 423: 0.10})
    add_winner(tracking, parent, 0)
    tags = {"harness.winner": "2", "harness.confirmed": "2", "harness.fresh_seeds": "1 2"}
    tracking.set_tags(parent, tags)
    tracking.close(wait=True)
    told = report("--study", "study").stdout
    assert "confirmed  trial 2: 0.8000 in the search, 0.6000 with 1 fresh seeds" in told
    assert "confirmed  trial 0" not in told
    assert "test  accuracy 0.7100" in told and "2 fresh seeds" in told
    assert "gain  1.5 points" in told
    assert "Trial 0 had won before" in told


def test_a_seed_counts_once_whoever_recorded_it(store, tracking, parent):
    add_winner(tracking, parent, 2, {421: 0.70, 422: 0.72})
    frames = study_frames(ExperimentReader(store, "search/digits"), "study")
    assert dict(zip(frames.winner["seed"], frames.winner["test_accuracy"], strict=True)) == TESTS


def test_a_trial_that_did_not_learn_is_no_result_of_its_setting(tracking, parent, report):
    config = make_config(**LESSON | {"lr": 0.9}, seed=420, dataset="digits", split="search")
    run_id = tracking.start_run(parent, "trial 4", "trial", config, {"harness.trial": "4", "harness.learned": "false"})
    tracking.log_epoch(run_id, EpochMetrics(1, 1.0, 0.5, 2.4, 0.1, 0.25, 1000.0, 10))
    tracking.end_run(run_id, "complete")
    tracking.close(wait=True)
    assert "did not learn" in report("--study", "study").stdout


def test_frames_hold_each_trial_once_and_leave_interrupted_attempts_out(store, parent):
    frames = study_frames(ExperimentReader(store, "search/digits"), "study")
    assert frames.parent_id == parent
    assert dict(zip(frames.trials["trial"], frames.trials["state"], strict=True)) == STATES
    assert frames.trials["lr"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert frames.trials["batch_norm"].tolist() == [False] * 4
    curves = {number: rows["val_accuracy"].tolist() for number, rows in frames.epochs.groupby("trial")}
    assert curves == {number: curve for number, curve in CURVES.items() if curve}
    assert dict(zip(frames.winner["seed"], frames.winner["test_accuracy"], strict=True)) == TESTS


@pytest.fixture
def report(store, monkeypatch):
    """`report("--study", "x")`: the command in this process, on this test's store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.mark.slow
def test_the_report_says_what_the_records_say(command, parent, tmp_path):
    done = command("analysis.study")
    assert done.returncode == 0, done.stderr
    # Mean of 0.70, 0.72, 0.74; t(0.975, 2) = 4.303; half-width 4.303 · 0.02 / √3 = 0.0497.
    assert "accuracy 0.7200, 95% t interval 0.6703 to 0.7697, 3 fresh seeds, sd 0.0200" in done.stdout
    assert "4: 2 complete, 1 pruned, 1 diverged" in done.stdout
    assert "best  trial 2, validation accuracy 0.8000" in done.stdout
    assert f"run {parent}" in done.stdout
    page = (tmp_path / "reports" / "study.html").read_text()
    assert page.count("data-figure=") == len(FIGURES)
    for label in FIGURES:
        assert f'role="img" aria-label="{label}"' in page
    assert " src=" not in page


def test_a_study_of_an_earlier_version_which_recorded_no_cost_is_shown_by_time(store, tracking):
    parent = tracking.open_parent("old", "study", {"seed": 420})
    add_trial(tracking, parent, 0, "complete", [0.5], cost=None)
    add_winner(tracking, parent, 0)
    page = study_page(study_frames(ExperimentReader(store, "search/digits"), "old"), store)
    assert "Accuracy against training time" in page and "training cost" not in page


def test_a_study_that_has_not_ended_is_refused(report, tracking, parent):
    tracking.open_parent("study", "study", {})
    tracking.close(wait=True)
    done = report("--study", "study")
    assert done.exit_code == 2
    assert done.stderr == "error: study 'study' has not ended (RUNNING): finish it with harness.search first\n"


def test_a_trial_that_is_there_twice_is_refused(report, tracking, parent):
    add_trial(tracking, parent, 0, "complete", [0.5])
    done = report()
    assert done.exit_code == 2
    assert "study 'study' holds trial 0 twice" in done.stderr


def test_a_run_on_other_data_is_refused_by_its_id(store, tracking, parent):
    other = ExperimentWriter(store, "search/digits", DATASET._replace(sha256="cd" * 32), "cpu")
    add_trial(other, parent, 9, "complete", [0.5])
    with pytest.raises(UserError, match=r"run [0-9a-f]{32} of study 'study' was made with other data than its study"):
        study_frames(ExperimentReader(store, "search/digits"), "study")


def test_the_newest_study_is_reported_whatever_it_searched(store, tracking, parent, report, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = DATASET._replace(name="csv-wine", spec="csv:/wine.csv")
    other = ExperimentWriter(store, "search/csv-wine", data, "cpu")
    newer = other.open_parent("wine", "study", {})
    add_trial(other, newer, 0, "complete", [0.5])
    add_winner(other, newer, 0)
    assert report().stdout.startswith(f"study wine (search/csv-wine, run {newer})\n")
    assert report("--study", "study").stdout.startswith(f"study study (search/digits, run {parent})\n")


def test_an_earlier_winner_of_a_study_that_grew_is_told_and_not_mixed_with_the_one_of_now(
    tracking, parent, report, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = report().stdout
    add_winner(tracking, parent, 0)
    after = report().stdout
    told = "Trial 0 had won before, and the test set was used for that winner too."
    assert told in after and after.replace(f"{told}\n", "") == before
    page = (tmp_path / "reports" / "study.html").read_text()
    assert told in page and page.count("<td>0.7200</td>") == 1


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        (
            {1: 0.9, 2: None, 3: None},
            "2 of 3 fresh seeds diverged, so there is no mean accuracy; accuracy of the",
        ),
        ({1: None}, "1 of 1 fresh seeds diverged, so there is no mean accuracy (runs "),
        ({}, "no run of the winner is there: it was deleted, or the search did not get so far"),
        ({1: 0.99}, "accuracy 0.9900, one fresh seed and so no interval (runs "),
        ({1: 0.99, 2: 1.0, 3: 0.96}, "accuracy 0.9833, 95% t interval 0.9316 to 1.0000, 3 fresh seeds"),
    ],
)
def test_what_a_winner_reached_is_said_as_it_was(tracking, report, tmp_path, monkeypatch, tests, told):
    monkeypatch.chdir(tmp_path)
    parent = tracking.open_parent("unstable", "study", {})
    add_trial(tracking, parent, 0, "complete", [0.5])
    add_winner(tracking, parent, 0, tests)
    done = report("--study", "unstable")
    assert done.exit_code == 0, done.stderr
    assert told in done.stdout and "nan" not in done.stdout
    assert told.partition(" (")[0] in (tmp_path / "reports" / "unstable.html").read_text()


def delete(store, parent, *numbers):
    for run in ExperimentReader(store, "search/digits").children(parent, "trial"):
        if int(run.tags["harness.trial"]) in numbers and run.tags["harness.state"] != "interrupted":
            MlflowClient(store).delete_run(run.id)


def test_what_was_deleted_is_said_in_the_first_lines(store, tracking, parent, report, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracking.set_tags(parent, {"harness.trials": "4"})
    tracking.log_metrics(parent, {"val_accuracy": 0.8})
    tracking.close(wait=True)
    delete(store, parent, 1)
    first, second, third = report().stdout.splitlines()[:3]
    told = r"runs of this study were deleted in MLflow and are not counted: trial 1 \(\w{32}\); restore them there"
    assert re.fullmatch(f"warning: {told}", first)
    assert second == "warning: the study had 4 trials, and the runs of 3 are here"
    assert third.startswith("study study ")
    assert first.removeprefix("warning: ") in (tmp_path / "reports" / "study.html").read_text()
    delete(store, parent, 2)
    told = report().stdout
    assert "warning: its best trial, of validation accuracy 0.8000, is not here" in told
    assert "test  no run of the winner is there" in told and "nan" not in told and "had won before" not in told
    delete(store, parent, *STATES)
    done = report()
    assert done.exit_code == 2
    assert done.stderr.startswith("error: study 'study' has no complete trial here: its runs were deleted in MLflow")
    MlflowClient(store).delete_run(parent)
    assert "the run of study 'study' was deleted in MLflow" in report("--study", "study").stderr


def test_a_study_that_was_renamed_in_mlflow_is_still_known_by_its_own_name(store, tracking, parent, report):
    MlflowClient(store).update_run(parent, name="my best search")
    assert report().stdout.startswith(f"study study (search/digits, run {parent})\n")


def test_an_unknown_study_is_answered_with_those_there_are(report, parent):
    done = report("--study", "nobody")
    assert done.exit_code == 2
    assert "no study is called 'nobody'" in done.stderr
    assert "there are: study" in done.stderr


def test_where_nothing_was_searched_the_remedy_is_named(report, store):
    done = report()
    assert done.exit_code == 2
    assert done.stderr == f"error: no study is recorded in {store}; run harness.search first\n"


def many_trials(frames, count):
    """The frames of a study with `count` trials, each like the first."""
    rows = [frames.trials.iloc[[0]].assign(trial=number, val_accuracy=0.5 + number / 10_000) for number in range(count)]
    curves = [frames.epochs[frames.epochs["trial"] == 0].assign(trial=number) for number in range(count)]
    return frames._replace(
        trials=pd.concat(rows, ignore_index=True),
        epochs=pd.concat(curves, ignore_index=True),
        best=count - 1,
        winner=frames.winner.assign(trial=count - 1),
    )


def test_a_page_of_thousands_of_trials_shows_the_best_and_stays_below_2_mb(store, parent):
    frames = study_frames(ExperimentReader(store, "search/digits"), "study")
    curve = pd.DataFrame({"epoch": range(1, 51), "val_accuracy": [0.5 + epoch / 173 for epoch in range(50)]})
    frames = frames._replace(epochs=curve.assign(trial=0, state="complete", run_id="", seconds=0.1))
    page = study_page(many_trials(frames, 2_000), store)
    assert "the 200 best of 2,000 trials" in page and page.count("<tr") == 1 + 200 + 1 + len(TESTS)
    assert "<td>1999</td><td>complete</td><td>0.6999</td>" in page and "<td>1799</td>" not in page
    assert len(page.encode()) < 2_000_000
    assert "Shown:" in page and "Shown:" not in study_page(frames, store)


def test_a_study_whose_trials_are_all_copies_has_a_page(store, tracking, report):
    parent = tracking.open_parent("copies", "study", {"seed": 420})
    config = make_config(**LESSON, seed=420, dataset="digits", split="search")
    tags = {"harness.trial": "1", "harness.duplicate_of": "gone"}
    run = tracking.start_run(parent, "trial 1", "trial", config, tags)
    tracking.end_run(run, "complete", metrics={"val_accuracy": 0.5})
    add_winner(tracking, parent, 1)
    done = report("--study", "copies")
    assert done.exit_code == 0 and "Every trial, epoch by epoch" not in Path("reports/copies.html").read_text()


def test_what_the_search_warned_of_stands_on_the_page(store, tracking, parent, report):
    tracking.set_tags(parent, {"harness.warnings": '["the best lr (0.3) is at the high edge"]'})
    add_fresh(tracking, parent, "baseline", {421: 0.69, 422: None, 423: 0.70})
    tracking.close(wait=True)
    told = report("--study", "study").stdout
    reason = "not known over the lesson's setting: the lesson's setting diverged with 1 of 3 seeds"
    assert f"gain  {reason}" in told
    page = html.unescape(Path("reports/study.html").read_text())
    assert "the best lr (0.3) is at the high edge" in page and f"Gain: {reason}." in page


@pytest.mark.parametrize("tag", ["harness.importances", "harness.warnings"])
def test_tags_that_were_edited_are_one_line(store, tracking, parent, report, tag):
    tracking.set_tags(parent, {tag: "{"})
    tracking.close(wait=True)
    done = report("--study", "study")
    assert done.exit_code == 2 and "are not those that were recorded" in done.stderr


def test_hyperparameters_that_a_study_varied_besides_the_usual_ones_are_shown(store, tracking, report):
    parent = tracking.open_parent("wide", "study", {"seed": 420})
    for number, hidden in enumerate((128, 64)):
        config = make_config(**LESSON, hidden=hidden, seed=420, dataset="digits", split="search")
        run = tracking.start_run(parent, f"trial {number}", "trial", config, {"harness.trial": str(number)})
        tracking.log_epoch(run, EpochMetrics(1, 1.0, 0.5, 1.0, 0.5 + number / 10, 0.25, 1000.0, 10))
        tracking.end_run(run, "complete", metrics={"best_val_accuracy": 0.5, "best_epoch": 1, "training_seconds": 0.25})
    add_winner(tracking, parent, 1)
    told = report("--study", "wide").stdout
    assert "batch_norm  hidden " in told and "standardize" not in told
    page = Path("reports/wide.html").read_text()
    assert (
        "batch_norm off · hidden 64</b>. Test" in page
        and ">hidden</th>" in page
        and 'aria-label="Accuracy by hidden"' in page
    )
    assert "standardize" not in page


def test_links_lead_to_the_server_that_holds_the_runs(store, parent):
    frames = study_frames(ExperimentReader(store, "search/digits"), "study")
    run = frames.trials["run_id"].iloc[0]
    elsewhere = f'href="https://me.org/mlflow/#/experiments/{frames.experiment_id}/runs/{run}"'
    assert elsewhere in study_page(frames, "https://anna:secret@me.org/mlflow/")
    here = study_page(frames, store)
    assert f'href="http://127.0.0.1:5000/#/experiments/{frames.experiment_id}/runs/{run}"' in here
    assert "The links lead to http://127.0.0.1:5000, where" in here
