"""The real command on the example of docs/claims.md, with real stores, real worker processes and real kills."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from support.claim_example import example
from support.paths import PROJECT

from analysis.reports.claims import judge_claim
from harness.claims.claim import parent_name
from harness.claims.file import read_claim
from harness.claims.replication import Replication
from harness.cli.console import Console
from harness.cli.progress import Eta
from harness.core.errors import UserError
from harness.core.metrics import DatasetRecord, EpochMetrics
from harness.data.choice import DataChoice
from harness.engines.base import Epoch, Finished, JobResult, Started
from harness.storage.locks import locked
from harness.tracking.reader import ExperimentReader
from harness.tracking.recorder import Recorder
from harness.tracking.schema import STACK
from harness.tracking.writer import ExperimentWriter

TIMES = ("epoch_seconds", "samples_per_second", "training_seconds")
SECONDS_TO_WAIT = 120


@pytest.fixture
def claim_file(tmp_path):
    path = tmp_path / "hidden_width.toml"
    path.write_text(example(), encoding="utf-8")
    return path


def runs(tmp_path, kind="arm", quick=False):
    """The runs of a replication that count: name → (params, histories)."""
    records = ExperimentReader(f"sqlite:///{tmp_path}/mlflow.db", "claims/hidden_width")
    claim = read_claim(tmp_path / "hidden_width.toml")
    (parent,) = records.parents("claim", parent_name(claim.quickened() if quick else claim))
    found = {}
    for run in records.children(parent.id):
        assert run.status != "RUNNING", run.name
        if run.tags["harness.kind"] == kind and run.tags["harness.state"] != "interrupted":
            assert run.name not in found, f"{run.name} was recorded twice"
            histories = {name: records.history(run, name) for name in run.metrics if name not in TIMES}
            found[run.name] = (run.params, histories)
    return parent, found


@pytest.fixture(scope="module")
def replicated(tmp_path_factory, migrated_store):
    """The example replicated without a disturbance: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("replicated")
    (folder / "hidden_width.toml").write_text(example(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "harness.replicate", "hidden_width.toml", "--workers", "2"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_it_makes_every_run_of_the_design_and_marks_it(replicated):
    folder, output = replicated
    claim = read_claim(folder / "hidden_width.toml")
    parent, judged = runs(folder)
    _, tuned = runs(folder, "tuning")
    assert (len(judged), len(tuned)) == (24, 8)
    assert (
        "32 runs to make for claim hidden_width on 2 workers" in output
        and "complete: hidden_width; judge with: " in output
        and "analysis.report hidden_width.toml" in output
    )
    assert parent.status == "FINISHED" and parent.tags["harness.seeds"] == "6"
    assert parent.tags["harness.claim_sha256"] == claim.sha256
    params, histories = judged["256 units seed 3"]
    assert (params["hidden"], params["split"], params["seed"]) == ("256", "lesson", "3")
    assert len(histories["test_accuracy"]) == 10, "the test set is watched"
    params, histories = tuned["8 units, tuned lr 0.3 seed 101"]
    assert params["split"] == "search" and "val_loss" in histories
    assert "test_accuracy" not in histories, "tuning never sees the test set"


def assert_shown_in_docs(printed):
    """docs/claims.md shows what the command prints; another processor may change an accuracy by an image or two."""
    number = re.compile(r"\d+(?:\.\d+)?")
    docs = (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8").splitlines()
    shown = {number.sub("#", " ".join(line.split())): number.findall(line) for line in docs}
    for line in printed.splitlines():
        if "points [" in line or "Claimed" in line:
            there = shown[number.sub("#", " ".join(line.split()))]
            assert list(map(float, number.findall(line))) == pytest.approx(list(map(float, there)), abs=1.0)


def test_the_example_of_the_docs_is_judged(replicated):
    folder, _ = replicated
    done = subprocess.run(
        [sys.executable, "-m", "analysis.report", "hidden_width.toml"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "A wider hidden layer helps" in done.stdout and "n = 6" in done.stdout
    assert "\n * gives the claim its verdict: reproduced\n" in done.stdout
    assert {path.name for path in (folder / "reports").iterdir()} == {"figures", "hidden_width.html", "hidden_width.md"}
    assert_shown_in_docs(done.stdout)


def test_paired_seeds_share_what_they_should(replicated):
    """Tuned to the same lr, an arm gives its own numbers again: nothing but the config decides them."""
    folder, _ = replicated
    _, judged = runs(folder)
    same = [
        seed
        for seed in range(1, 7)
        if judged[f"8 units, tuned seed {seed}"][0]["lr"] == judged[f"8 units seed {seed}"][0]["lr"]
    ]
    for seed in same:
        assert judged[f"8 units, tuned seed {seed}"][1] == judged[f"8 units seed {seed}"][1]
    assert judged["8 units seed 1"][1]["train_loss"] != judged["8 units seed 2"][1]["train_loss"]


@pytest.mark.slow
def test_the_same_command_again_does_nothing_and_more_seeds_only_what_is_missing(replicated, tmp_path):
    folder, _ = replicated
    before = {name: params for name, (params, _) in runs(folder)[1].items()}
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}

    def again(*options):
        done = subprocess.run(
            [sys.executable, "-m", "harness.replicate", "hidden_width.toml", *options],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "0 runs to make" in again()
    assert "0 runs to make" in again("--seeds", "3"), "fewer seeds than there are: nothing is missing"
    assert runs(folder)[0].tags["harness.seeds"] == "6"
    assert "4 runs to make" in again("--seeds", "7"), "one seed more for each of four arms"
    parent, after = runs(folder)
    assert len(after) == 28 and parent.tags["harness.seeds"] == "7"
    assert before.items() <= {name: params for name, (params, _) in after.items()}.items()
    quick = again("--quick")
    assert "not evidence" in quick and "16 runs to make" in quick, "a quick look shares no run with the full one"
    quick_parent, quick_runs = runs(folder, quick=True)
    assert quick_parent.tags["harness.quick"] == "true" and len(quick_runs) == 12
    assert len(runs(folder)[1]) == 28


def disturbed_after(tmp_path, said, *options):
    """A replication that has just said this; of low priority, so that it cannot end before it is disturbed."""
    command = [sys.executable, "-m", "harness.replicate", "hidden_width.toml", "--workers", "2", *options]
    process = subprocess.Popen(
        ["nice", "-n", "19", *command],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + SECONDS_TO_WAIT
    for line in process.stdout:
        if said in line:
            return process
        assert time.monotonic() < deadline
    raise AssertionError("it ended before it could be disturbed")


@pytest.mark.slow
def test_a_killed_replication_goes_on_and_ends_as_if_it_had_not_been(replicated, claim_file, tmp_path, store, command):
    process = disturbed_after(tmp_path, "tuning done")
    process.kill()
    process.communicate()
    done = command("harness.replicate", "hidden_width.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    to_make = int(re.search(r"(\d+) runs to make", done.stdout)[1])
    assert 0 < to_make < 32
    undisturbed = {name: found for name, found in runs(replicated[0])[1].items() if "seed 7" not in name}
    assert runs(tmp_path)[1] == undisturbed
    assert runs(tmp_path, "tuning")[1] == runs(replicated[0], "tuning")[1]


@pytest.mark.slow
def test_ctrl_c_stops_after_the_running_epochs_and_says_how_to_go_on(claim_file, tmp_path, store):
    process = disturbed_after(tmp_path, "all arms done", "--seeds", "30")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=SECONDS_TO_WAIT)
    assert process.returncode == 130
    assert "stopping after the running epochs" in output
    parent, judged = runs(tmp_path)
    assert parent.status == "KILLED" and 4 <= len(judged) < 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the claims to replicate, or --all; there are batch_noise, "),
        (("--all", "momentum"), "--all and 'momentum': name claims or use --all, not both"),
        (("momentun",), "no claim 'momentun': did you mean momentum? known are batch_noise, "),
        (("momentum", "--seeds", "1"), "--seeds is 1: it should be at least 2"),
        (("momentum", "--workers", "0"), "--workers is 0: it should be at least 1"),
        (("momentum", "--quick", "--seeds", "4"), "use one of them"),
        (("no/such.toml",), "no/such.toml is not there"),
        (("momentum", "--dataset", "auto"), "--dataset is 'auto': a replication names its data"),
        (("momentum", "--dataset", "iris"), "dataset is 'iris': it should be one of"),
        (("momentum", "--target", "kind"), "--target is 'kind': it needs --dataset csv:PATH"),
        pytest.param(("momentum", "--dataset", "csv:none.csv"), "cannot read none.csv (No s", marks=pytest.mark.slow),
    ],
)
def test_wrong_input_is_one_line_and_makes_nothing(command, tmp_path, arguments, message):
    done = command("harness.replicate", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and message in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('dataset = "digits"', 'dataset = "irises"', "line 6: dataset is 'irises': it should be one of auto, fashion"),
        ("batch_size = 32", "batch_size = 5000", "batch_size is 5000: it should be at most the 1497 training images"),
        ("epochs = 10", "epochs = 0", "line 16: epochs is 0"),
    ],
)
def test_a_claim_that_cannot_be_run_is_refused_before_anything_is(claim_file, command, tmp_path, old, new, message):
    claim_file.write_text(example().replace(old, new), encoding="utf-8")
    done = command("harness.replicate", "hidden_width.toml")
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_verdicts_of_runs_that_train_alone_are_those_of_stacks(replicated, claim_file, tmp_path, command, store):
    done = command("harness.replicate", "hidden_width.toml", "--no-stack")
    assert done.returncode == 0, done.stderr
    words = []
    for folder, stacked in ((replicated[0], True), (tmp_path, False)):
        claim = read_claim(claim_file)
        judged = judge_claim(claim, f"sqlite:///{folder}/mlflow.db")
        words.append({verdict.estimand.name: verdict.label for verdict in judged.verdicts})
        records = ExperimentReader(f"sqlite:///{folder}/mlflow.db", "claims/hidden_width")
        (parent,) = records.parents("claim", parent_name(claim))
        assert {STACK in run.tags for run in records.children(parent.id)} == {stacked}
    assert words[0] == words[1] and "reproduced" in words[0].values()


@pytest.mark.slow
def test_a_claim_on_a_csv_file_beside_it_is_made_and_judged(claim_file, tmp_path, command, store):
    rows = "".join(f"{'odd' if n % 2 else 'even'},{n % 2 + n / 1000},{n}\n" for n in range(120))
    (tmp_path / "numbers.csv").write_text("kind,a,b\n" + rows)
    text = example().replace('dataset = "digits"', 'dataset = "csv:numbers.csv"\ntarget = "kind"')
    claim_file.write_text(text.replace("count = 6", "count = 2").replace("[0.1, 0.3, 1.0, 3.0]", "[0.1, 0.3]"))
    done = command("harness.replicate", "hidden_width.toml")
    assert done.returncode == 0, done.stderr
    assert "csv-numbers 2 columns: 84 training, 16 validation, 20 test rows, 2 classes" in done.stdout
    judged = command("analysis.report", "hidden_width.toml")
    assert judged.returncode == 0, judged.stderr
    assert "A wider hidden layer helps\n  On the digits" in judged.stdout


@pytest.mark.slow
def test_a_claim_can_be_asked_of_other_data_and_judged_there(claim_file, tmp_path, command, store, breast_cancer):
    small = re.sub(r"count = 6", "count = 2", example())
    claim_file.write_text(re.sub(r"lr = \[0.1, .*\]", "lr = [0.1, 0.3]", small), encoding="utf-8")
    there = ("hidden_width.toml", "--dataset", "breast-cancer")
    done = command("harness.replicate", *there)
    assert done.returncode == 0, done.stderr
    assert (
        "breast-cancer 30 columns: 397 training" in done.stdout and f"analysis.report {' '.join(there)}" in done.stdout
    )
    judged = command("analysis.report", *there)
    assert judged.returncode == 0, judged.stderr
    assert "A wider hidden layer helps (on breast-cancer)" in judged.stdout
    assert (tmp_path / "reports" / "hidden_width-on-breast-cancer.html").is_file()
    claim = read_claim(claim_file).on(DataChoice("breast-cancer"))
    records = ExperimentReader(f"sqlite:///{tmp_path}/mlflow.db", "claims/hidden_width")
    (parent,) = records.parents("claim", parent_name(claim))
    assert {run.params["dataset"] for run in records.children(parent.id)} == {"breast-cancer"}
    assert {run.tags["harness.dataset_sha256"] for run in records.children(parent.id)} == {breast_cancer.sha256}
    refused = command("analysis.report", "hidden_width.toml")
    assert refused.returncode == 2 and "no full replication; run: " in refused.stderr


class Engine:
    """An engine without processes: every run is complete at once, but those that a test names."""

    def __init__(self, results=None):
        self.results = results or {}
        self.ran = []
        self.drained = False

    def execute(self, jobs, proceed):
        for job in jobs:
            if self.drained:
                return
            self.ran.append(job)
            yield Started(job, 1)
            result = self.results.get(job.name, JobResult("complete"))
            if result.state == "complete":
                loss = abs(job.config.lr - 0.3)
                yield Epoch(job, EpochMetrics(1, loss, 0.5, loss, 0.5, 0.1, 1.0, 3))
            yield Finished(job, result)

    def drain(self):
        self.drained = True


def replication(store, claim_file, engine, sha256="ab" * 32):
    data = DatasetRecord("digits", sha256, "source", "", "profile", "digits")
    claim = read_claim(claim_file).with_seeds(2)
    writer = ExperimentWriter(store, "claims/hidden_width", data, "cpu")
    return Replication(claim, 1_497, Recorder(engine, writer, Console()), searches=None)


def test_tuning_comes_first_then_seed_by_seed_the_longest_runs_first(store, claim_file):
    claim_file.write_text(example().replace("hidden = [8, 256]\nlr", "hidden = [8, 256]\nepochs = 20\nlr"))
    engine = Engine()
    mine = replication(store, claim_file, engine)
    mine.replicate(Eta(1.0))
    names = [job.name for job in engine.ran]
    assert all("lr" in name for name in names[:8]), "tuning"
    assert names[8:12] == ["8 units, tuned seed 1", "256 units, tuned seed 1", "8 units seed 1", "256 units seed 1"]
    assert Counter(job.watch_test for job in engine.ran) == {True: 8, False: 8}
    assert {job.config.lr for job in engine.ran if "tuned seed" in job.name} == {0.3}, "the lowest validation loss"
    assert mine.is_finished() and mine.missing() == []


def test_nothing_is_judged_before_its_lr_was_chosen(store, claim_file):
    """Otherwise runs under some other lr would stay in the records, and the evidence would be refused for ever."""
    broken = Engine({"8 units, tuned lr 0.3 seed 101": JobResult("failed", "it broke")})
    replication(store, claim_file, broken).replicate(Eta(1.0))
    assert len(broken.ran) == 8, "tuning alone"
    repaired = Engine()
    mine = replication(store, claim_file, repaired)
    mine.replicate(Eta(1.0))
    assert mine.is_finished() and repaired.ran[0].name == "8 units, tuned lr 0.3 seed 101"


def test_a_claim_that_is_held_is_not_replicated(store, claim_file):
    engine = Engine()
    mine = replication(store, claim_file, engine)
    what = f"claim {parent_name(read_claim(claim_file))!r}"
    refused = pytest.raises(UserError, match=rf"^{what} is being run by another process")
    with locked(store, what), refused:
        mine.replicate(Eta(1.0))
    assert engine.ran == []
    mine.replicate(Eta(1.0))
    assert mine.is_finished()


def test_a_claim_that_another_process_replicates_is_left_alone(store, claim_file, monkeypatch):
    mine = replication(store, claim_file, Engine())
    replication(store, claim_file, Engine()).replicate(Eta(1.0))
    monkeypatch.setattr(ExperimentWriter, "live_owner", lambda self, name, kind, elsewhere: "elsewhere 1 2.0")
    for call in (mine.missing, lambda: mine.replicate(Eta(1.0))):
        with pytest.raises(
            UserError, match=r"'hidden_width' is being replicated by another process \(process 1 on elsewhere\)"
        ):
            call()


def test_other_data_under_the_same_name_are_refused(store, claim_file):
    replication(store, claim_file, Engine()).replicate(Eta(1.0))
    with pytest.raises(UserError, match=r"on other data that are also called 'digits' \(SHA-256 abab.*, now cdcd"):
        replication(store, claim_file, Engine(), sha256="cd" * 32).missing()


def test_a_failed_run_is_made_again_by_the_next_command(store, claim_file, capsys):
    broken = Engine({"8 units seed 2": JobResult("failed", "it broke")})
    mine = replication(store, claim_file, broken)
    mine.replicate(Eta(1.0))
    assert "8 units seed 2: it broke" in capsys.readouterr().out
    assert not mine.is_finished() and [task.name for task in mine.missing()] == ["8 units seed 2"]
    repaired = Engine()
    replication(store, claim_file, repaired).replicate(Eta(1.0))
    assert [job.name for job in repaired.ran] == ["8 units seed 2"]


def test_a_diverged_run_counts_and_is_not_made_again(store, claim_file):
    replication(store, claim_file, Engine({"8 units seed 1": JobResult("diverged", "loss nan")})).replicate(Eta(1.0))
    assert replication(store, claim_file, Engine()).is_finished()


def test_a_best_lr_at_the_edge_of_its_grid_is_said(store, claim_file, capsys):
    claim_file.write_text(example().replace("lr = [0.1, 0.3, 1.0, 3.0]", "lr = [0.3, 1.0]"))
    replication(store, claim_file, Engine()).replicate(Eta(1.0))
    assert "the lr chosen for '8 units, tuned', 0.3, is at the edge of the grid" in capsys.readouterr().out
