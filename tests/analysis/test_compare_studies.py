"""Studies compared by the real command, and what cannot be compared."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.browser import PHONE, SCREEN, complaints, overflow
from support.paths import PROJECT
from support.written_study import DATASET, add_trial, add_winner
from typer.testing import CliRunner

from analysis.compare import app
from benchmarks.searches import records, start
from harness.tracking.writer import ExperimentWriter


@pytest.fixture(scope="module")
def folder(tmp_path_factory, migrated_store):
    """A folder with two studies of the digits, by TPE and at random, with the same first trials."""
    folder = tmp_path_factory.mktemp("two")
    for sampler in ("tpe", "random"):
        few = ("--trials", "3", "--round-size", "3", "--confirm", "0", "--winner-seeds", "2")
        process = start(folder, *few, "--sampler", sampler, "--study", f"by-{sampler}")
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    return folder


def compare(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "analysis.compare", *arguments], cwd=folder, env={"PYTHONPATH": str(PROJECT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def written(store, monkeypatch):
    """Two studies written by hand, of three trials and of one."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    writer = ExperimentWriter(store, "search/digits", DATASET, "cpu")
    for name, accuracies in (("first", (0.5, 0.8, 0.7)), ("second", (0.6,))):
        parent = writer.open_parent(name, "study", {"seed": 420})
        for number, accuracy in enumerate(accuracies):
            add_trial(writer, parent, number, "complete", [accuracy], cost=1e9 * (number + 1))
        add_winner(writer, parent, accuracies.index(max(accuracies)))


def test_the_table_has_trials_cost_and_the_best_accuracy_of_each_study(written):
    done = CliRunner().invoke(app, ["first", "second"])
    assert done.exit_code == 0, done.stderr
    rows = [
        line.split() for line in done.stdout.splitlines() if line.startswith(("first", "second", " first", "second"))
    ]
    assert [row[:4] for row in rows] == [["first", "3", "6e+09", "0.8000"], ["second", "1", "1e+09", "0.6000"]]
    page = Path("reports/compare-first-second.html").read_text()
    assert page.count("data-figure=") == 2 and "Best accuracy by training cost" in page


@pytest.mark.slow
def test_two_studies_are_compared_in_a_table_and_on_a_page(folder):
    done = compare(folder, "by-tpe", "by-random")
    assert done.returncode == 0 and done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines() if line.strip().startswith("by-")]
    assert [row[:2] for row in rows] == [["by-tpe", "3"], ["by-random", "3"]]
    here = records(folder)
    for row in rows:
        (parent,) = here.parents("study", row[0])
        trials = here.children(parent.id, "trial")
        assert float(row[2]) == pytest.approx(sum(run.metrics["training_cost"] for run in trials), rel=0.005)
        assert row[3] == f"{max(run.metrics['val_accuracy'] for run in trials if run.status == 'FINISHED'):.4f}"
    page = (folder / "reports" / "compare-by-tpe-by-random.html").read_text()
    assert page.count("data-figure=") == 2 and "Best accuracy by training cost" in page


@pytest.mark.slow
def test_the_cost_of_a_trial_is_its_examples_times_the_weights(folder):
    """1,251 images train; the lesson's network has 64 × 128 + 128 × 10 weights, and BatchNorm2d(1) two more."""
    here = records(folder)
    (parent,) = here.parents("study", "by-tpe")
    for run in here.children(parent.id, "trial"):
        epochs = len(here.history(run, "val_accuracy"))
        weights = 64 * 128 + 128 * 10 + 2 * (run.params["batch_norm"] == "True")
        assert run.metrics["training_cost"] == 1_251 * epochs * weights


@pytest.mark.slow
@pytest.mark.parametrize(("window", "colours"), [(SCREEN, "light"), (PHONE, "dark")])
def test_axe_finds_nothing_in_the_page(folder, opened, window, colours):
    assert compare(folder, "by-tpe", "by-random", "--group-by", "sampler").returncode == 0
    page = opened(folder / "reports" / "compare-by-tpe-by-random.html", window, color_scheme=colours)
    assert complaints(page) == [] and overflow(page) <= 0
    assert re.search("sampler tpe.*sampler random", page.content(), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["by-tpe"], "by-tpe alone: name two exports"),
        (["by-tpe", "by-tpe"], "study 'by-tpe' is named twice"),
        (["by-tpe", "none"], "no study is called 'none' in .*; there are: by-random, by-tpe"),
        (["a.json", "by-tpe"], "name exactly two exports"),
        (["by-tpe", "by-random", "--group-by", "samplr"], "'samplr': did you mean sampler"),
    ],
)
def test_what_cannot_be_compared_is_one_line(folder, arguments, message):
    done = compare(folder, *arguments)
    assert done.returncode == 2 and re.match(f"error: .*{message}", done.stderr) and done.stderr.count("\n") == 1
