"""A search of a network of the user's own, as it is typed: the same on any workers, replayed, exported, refused."""

import os
import re
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
from support.paths import PROJECT

from benchmarks.searches import records, start, what_was_recorded
from harness.studies.frames import study_frames
from harness.studies.page import study_page

NETWORK = """\
import math

from torch import nn


def small(shape, classes, width=8, dropout=0.0, bend=False):
    layer = Bent if bend else nn.Linear
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU(), nn.Dropout(dropout),
                         layer(width, classes))


class Bent(nn.Linear):
    def forward(self, rows):
        return super().forward(rows) if rows.mean().item() > -1 else super().forward(-rows)
"""
SPACE = """\
network = "net.py:small"
[lr]
low = 0.05
high = 0.5
[epochs]
choices = [2, 4]
[network_params.width]
low = 8
high = 32
[network_params.dropout]
choices = [0.0, 0.5]
"""
SEARCH = ("harness.search", "--dataset", "digits", "--space", "space.toml", "--confirm", "0", "--winner-seeds", "1")


def write(folder, network=NETWORK, space=SPACE):
    Path(folder).mkdir(exist_ok=True)
    (Path(folder) / "net.py").write_text(network)
    (Path(folder) / "space.toml").write_text(space)


def run(folder, module, *arguments):
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory, migrated_store):
    """A finished search of six trials on two workers: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("own")
    write(folder)
    done = run(folder, *SEARCH, "--trials", "6", "--workers", "2")
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.mark.slow
def test_it_is_searched_and_logged_and_its_page_and_model_know_it(own, monkeypatch):
    folder, done = own
    assert re.search(r"^network +net.py:small$", done.stdout, re.MULTILINE)
    assert re.search(r"lr 0\.\d+ · gamma 0 · .* · dropout (0|0\.5) · width \d+", done.stdout)
    reader = records(folder)
    (parent,) = reader.parents("study")
    assert (reader.text(parent.id, "net.py"), reader.text(parent.id, "search.toml")) == (NETWORK, SPACE)
    frames = study_frames(reader, "digits-420")
    assert frames.names[-2:] == ["network_params.dropout", "network_params.width"]
    page = study_page(frames, reader.uri)
    assert "Accuracy by width" in page and "network net.py:small" in page and "network_params.width" not in page
    (winner,) = reader.children(parent.id, "winner")
    assert winner.params["network"] == "net.py:small" and winner.params["network_params.width"].isdigit()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", reader.uri)
    mlflow.set_tracking_uri(reader.uri)
    monkeypatch.chdir(folder)
    classes = mlflow.pyfunc.load_model(winner.tags["harness.model"]).predict(np.zeros((3, 8, 8), dtype=np.uint8))
    assert classes.shape == (3,) and classes.dtype == np.int64


@pytest.mark.slow
def test_it_is_replayed_from_the_recorded_text_and_another_text_is_another_study(own):
    folder, _ = own
    reader = records(folder)
    (parent,) = reader.parents("study")
    (winner,) = reader.children(parent.id, "winner")
    (folder / "net.py").write_text(NETWORK + "# changed\n")
    replayed = run(folder, "harness.replay", winner.id)
    assert "warning: net.py has changed since: the replay uses the recorded text" in replayed.stdout
    assert replayed.returncode == 0 and "the same, bit for bit" in replayed.stdout
    refused = run(folder, *SEARCH, "--trials", "8")
    assert refused.returncode == 2 and re.search(r"was made with network .*; keep network as it was", refused.stderr)
    artifact = next((folder / "mlruns").rglob("net.py"))
    artifact.write_text("# altered\n")
    altered = run(folder, "harness.replay", winner.id)
    artifact.write_text(NETWORK)
    assert altered.returncode == 2 and "the artifact net.py was altered" in altered.stderr


@pytest.mark.slow
def test_one_worker_two_and_a_stop_between_give_the_same_search(own, tmp_path):
    other = tmp_path / "other"
    write(other)
    for trials in ("3", "6"):
        done = start(other, *SEARCH[3:], "--trials", trials, "--workers", "1")
        assert done.communicate()[1] == "" and done.returncode == 0
    here, there = (what_was_recorded(folder) for folder in (own[0], other))
    assert len(here) == 6 + 1 + 1, "trials, the winner and the lesson's setting"
    assert {name: there[name] for name in here} == here, "there may be the winner of three trials too"


@pytest.mark.slow
def test_what_torch_cannot_export_is_logged_with_its_source_and_loads(tmp_path, migrated_store):
    write(tmp_path, space=SPACE + "[network_params.bend]\nvalue = true\n")
    done = run(tmp_path, *SEARCH, "--trials", "1", "--workers", "1")
    assert done.returncode == 0 and done.stderr == ""
    (line,) = [line for line in done.stdout.splitlines() if "torch.export" in line]
    assert re.match(
        r"warning: torch.export cannot export net.py:small \(.+\): its model is a pickle, which loads", line
    )
    (uri,) = re.findall(r"^model +(models:/\S+)$", done.stdout, re.MULTILINE)
    (tmp_path / "net.py").unlink()
    program = f"m = mlflow.pyfunc.load_model({uri!r}); print(m.predict(np.zeros((2, 8, 8), np.uint8)))"
    env = os.environ | {"PYTHONPATH": str(PROJECT), "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    loaded = subprocess.run(
        [sys.executable, "-c", f"import mlflow, numpy as np; {program}"], cwd=tmp_path, env=env,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert re.match(r"\[\d \d\]", loaded.stdout), loaded.stderr
    assert NETWORK in [path.read_text() for path in Path("mlruns").rglob("code/net.py")]


def test_what_cannot_be_trained_is_refused_before_anything_is_recorded(tmp_path):
    write(tmp_path, space=SPACE.replace("width", "widht"))
    done = run(tmp_path, *SEARCH, "--trials", "2", "--workers", "1")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "network_params.widht: small has no such hyperparameter; did you mean width? it has" in done.stderr
    assert not (tmp_path / "mlflow.db").exists() and not (tmp_path / "optuna.db").exists()
