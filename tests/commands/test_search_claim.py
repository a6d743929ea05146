"""The real command on a claim whose arms are searches, with real kills; each of its searches beside harness.search."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.paths import PROJECT
from support.search_claim import CLAIM, write_claim
from support.search_helpers import wait_for_runs

from analysis.evidence.claims import claim_evidence
from analysis.judging.measures import measure
from benchmarks.searches import TIMES, records
from harness.claims.claim import parent_name
from harness.claims.file import read_claim
from harness.core.errors import UserError
from harness.tracking.reader import ExperimentReader

EXPERIMENT = "claims/small"
STUDY_RUNS = ("trial", "confirmation", "winner", "baseline")


def replicate(folder, *arguments):
    command = [sys.executable, "-m", "harness.replicate", "small.toml", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def ended(process):
    output, errors = process.communicate(timeout=400)
    return process.returncode, output, errors


def arms(here, claim):
    """The runs that stand for searches: name → params and histories."""
    (parent,) = here.parents("claim", parent_name(claim))
    found = {}
    for run in here.children(parent.id, "arm"):
        assert run.name not in found, f"{run.name} was recorded twice"
        found[run.name] = (run.params, {name: here.history(run, name) for name in run.metrics if "param" not in name})
    return found


def studies(here):
    """The runs of each study: study → name → params and histories, but for times."""
    found = {}
    for parent in here.parents("study"):
        assert parent.status == "FINISHED"
        runs = [run for run in here.children(parent.id) if run.tags["harness.state"] != "interrupted"]
        assert "RUNNING" not in {run.status for run in here.children(parent.id)}
        found[parent.name] = {
            run.name: (run.params, {name: repr(here.history(run, name)) for name in run.metrics if name not in TIMES})
            for run in runs
        }
        assert len(found[parent.name]) == len(runs), "a run was recorded twice"
    return found


@pytest.fixture(scope="module")
def replicated(tmp_path_factory):
    """A claim of four small searches, replicated without a disturbance: folder and output."""
    folder = tmp_path_factory.mktemp("search_claim")
    write_claim(folder, CLAIM.replace("trials = 12", "trials = 3").replace("at = 90", "at = 50"))
    status, output, errors = ended(replicate(folder, "--workers", "2"))
    assert status == 0, errors
    return folder, output


@pytest.mark.slow
def test_each_search_is_a_study_and_one_run_stands_for_it(replicated):
    folder, output = replicated
    here, claim = records(folder, EXPERIMENT), read_claim(folder / "small.toml")
    assert "4 searches to make for claim small on 2 workers (cpu)" in output
    assert "trial 0 " not in output, "a line for each search, not for its runs"
    assert len(re.findall(r"^small +seed \d000 +(?:tpe|random): the winner is trial \d", output, re.MULTILINE)) == 4
    found, made = arms(here, claim), studies(here)
    assert set(found) == {f"{arm} seed {seed}" for arm in ("tpe", "random") for seed in (1000, 2000)}
    assert set(made) == {f"{parent_name(claim)}-{arm}-{seed}" for arm in ("tpe", "random") for seed in (1000, 2000)}
    params, histories = found["tpe seed 1000"]
    assert (params["sampler"], params["trials"], params["seed"]) == ("tpe", "3", "1000")
    study = made[f"{parent_name(claim)}-tpe-1000"]
    accuracies = [float(study[f"trial {number}"][1]["val_accuracy"].rpartition(": ")[2][:-1]) for number in range(3)]
    best = histories["best_val_accuracy"]
    assert best == {1: accuracies[0], 2: max(accuracies[:2]), 3: max(accuracies)}
    tested = [
        float(run[1]["test_accuracy"].rpartition(": ")[2][:-1]) for name, run in study.items() if "winner" in name
    ]
    assert histories["test_accuracy"] == {3: pytest.approx(sum(tested) / len(tested))}
    assert not (folder / "optuna.db").exists(), "MLflow holds all that a search needs to go on"


@pytest.mark.slow
def test_it_is_the_search_that_harness_search_makes(replicated, tmp_path, store, command):
    """The same trials, confirmations and tests, with the same numbers, from the arm's settings and the same seed."""
    folder, _ = replicated
    write_claim(tmp_path)
    done = command(
        "harness.search", "--dataset", "digits", "--space", "small_space.toml", "--trials", "3", "--seed", "1000",
        "--sampler", "random", "--workers", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (study,) = studies(records(tmp_path)).values()
    assert (
        study == studies(records(folder, EXPERIMENT))[f"{parent_name(read_claim(folder / 'small.toml'))}-random-1000"]
    )


@pytest.mark.slow
def test_the_claim_is_judged_and_drawn(replicated, monkeypatch):
    folder, _ = replicated
    monkeypatch.chdir(folder)
    report = [sys.executable, "-m", "analysis.report", "small.toml", "--no-log"]
    done = subprocess.run(
        report, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "TPE adds" in done.stdout and "Random search takes" in done.stdout
    assert {path.name for path in Path("reports/figures").iterdir()} >= {
        "small-best-so-far-1.png",
        "small-best-so-far-2.png",
    }
    page = Path("reports/small.html").read_text(encoding="utf-8")
    assert "2 searches on digits, each under 2 seeds" in page and "sampler random · pruner median · trials 3" in page


@pytest.mark.slow
def test_what_was_recorded_cannot_be_altered_unseen(replicated):
    folder, _ = replicated
    claim = read_claim(folder / "small.toml")
    here = records(folder, EXPERIMENT)
    evidence = claim_evidence(here, claim)
    assert measure(evidence, "best_val_accuracy", 1, "tpe").equals(measure(evidence, "best_val_accuracy", 1, "random"))
    (run,) = [run for run in here.children(evidence.source.parent_id, "arm") if run.name == "tpe seed 1000"]
    before = run.tags["harness.note"]
    MlflowClient(here.uri).set_tag(run.id, "harness.note", "another winner")
    with pytest.raises(UserError, match=f"run {run.id} \\(tpe seed 1000\\): its params, metrics or tags are not those"):
        claim_evidence(ExperimentReader(here.uri, EXPERIMENT), claim)
    MlflowClient(here.uri).set_tag(run.id, "harness.note", before)
    claim_evidence(ExperimentReader(here.uri, EXPERIMENT), claim)


@pytest.mark.slow
def test_a_whole_search_is_not_replayed_but_its_trials_are(replicated, command):
    folder, _ = replicated
    here = records(folder, EXPERIMENT)
    (parent,) = here.parents("claim")
    run = here.children(parent.id, "arm")[0]
    told = command("harness.replay", run.id, MLFLOW_TRACKING_URI=here.uri)
    assert told.returncode == 2
    assert (
        told.stderr
        == f"error: run {run.id} is a whole search, {run.tags['harness.study']}: replay a trial of that study\n"
    )
    (study,) = here.parents("study", run.tags["harness.study"])
    trial = here.children(study.id, "trial")[0]
    again = command("harness.replay", trial.id, MLFLOW_TRACKING_URI=here.uri)
    assert again.returncode == 0 and "the same, bit for bit" in again.stdout


@pytest.mark.slow
def test_a_claim_is_verified_with_its_searches(replicated, command):
    folder, _ = replicated
    done = command("harness.verify", "small", "--replay", "1", MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")
    assert done.returncode == 0, done.stderr
    counts = re.findall(
        r"^small-\w+(?:-\w+-\d000)? \(run \w+\): (\d+) of \1 runs are as they were", done.stdout, re.MULTILINE
    )
    assert len(counts) == 5 and counts.count("4") == 1
    assert done.stdout.count("the same, bit for bit") == 1


@pytest.mark.slow
def test_nothing_is_left_to_do(replicated):
    folder, _ = replicated
    status, output, errors = ended(replicate(folder))
    assert status == 0, errors
    assert "0 runs to make" in output and "complete: small" in output


@pytest.mark.slow
def test_a_search_in_which_all_diverges_is_a_result_and_the_worst(tmp_path):
    arms = '[[arms]]\nname = "tpe"\n\n[[arms]]\nname = "random"\nsampler = "random"\nspace = "wild_space.toml"\n'
    claim = CLAIM.replace('[[arms]]\nname = "{sampler}"\nsampler = ["tpe", "random"]\n', arms)
    write_claim(tmp_path, claim.replace("trials = 12", "trials = 2").replace("at = 90", "at = 20"))
    (tmp_path / "wild_space.toml").write_text("[lr]\nlow = 1e30\nhigh = 1e31\n[epochs]\nvalue = 1\n")
    status, output, errors = ended(replicate(tmp_path, "--workers", "2"))
    assert status == 0, errors
    assert output.count("random: no trial is complete, so there is no winner") == 2
    here = records(tmp_path, EXPERIMENT)
    (parent,) = here.parents("claim")
    states = Counter((run.tags["harness.arm"], run.tags["harness.state"]) for run in here.children(parent.id, "arm"))
    assert states == {("tpe", "complete"): 2, ("random", "diverged"): 2}
    report = [sys.executable, "-m", "analysis.report", "small.toml", "--no-log"]
    done = subprocess.run(
        report, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 2 pairs hold a run that diverged" in done.stdout
    assert (tmp_path / "reports" / "figures" / "small-best-so-far-2.png").exists()
    assert "0 runs to make" in ended(replicate(tmp_path))[1]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_killed_replication_goes_on_with_the_trial_that_it_was_at(tmp_path):
    """Killed in a search, stopped by Ctrl-C in another one; then on more workers: as if it had not been."""
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        write_claim(tmp_path / name)
    status, _, errors = ended(replicate(tmp_path / "whole", "--workers", "1"))
    assert status == 0, errors
    process = replicate(tmp_path / "killed", "--workers", "2")
    wait_for_runs(tmp_path / "killed", 6, seconds=200)
    process.kill()
    process.communicate()
    process = replicate(tmp_path / "killed", "--workers", "2")
    wait_for_runs(tmp_path / "killed", 45, seconds=300)
    os.killpg(process.pid, signal.SIGINT)
    status, output, errors = ended(process)
    assert status == 130, output + errors
    last = errors.splitlines()[-1]  # after a line on records that the killed one left
    assert re.match(r"\w+ seed \d000: stopped .*; resume with: .* small.toml --workers 2$", last), errors
    status, output, errors = ended(replicate(tmp_path / "killed", "--workers", "4"))
    assert status == 0, errors
    whole, killed = (records(tmp_path / name, EXPERIMENT) for name in ("whole", "killed"))
    claim = read_claim(tmp_path / "whole" / "small.toml")
    assert studies(killed) == studies(whole)
    assert arms(killed, claim) == arms(whole, claim)
