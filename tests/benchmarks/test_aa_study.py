import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from support.paths import PROJECT


def study():
    spec = importlib.util.spec_from_file_location("aa_study", PROJECT / "benchmarks" / "aa_study.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_effect_between_the_halves_of_a_study_would_be_seen():
    """Values in which every study finds its two sides alike, and a rule that calls every difference an effect."""
    rng = np.random.default_rng(0)
    called, covered = study().a_a(rng.normal(0, 1, 100).tolist(), 300, rng)
    assert called <= 0.1 and covered >= 0.88


@pytest.mark.slow
def test_the_study_runs_and_writes_its_figures(tmp_path):
    done = subprocess.run(
        [sys.executable, PROJECT / "benchmarks" / "aa_study.py", "--quick", "--out", tmp_path / "out" / "aa.json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out" / "aa.json").read_text())["results"]
    assert set(results) == {
        f"{name}, {part}"
        for name in ("train_accuracy", "test_accuracy")
        for part in ("all runs", "first half", "second half")
    }
    assert all(0 <= share <= 1 for result in results.values() for share in result.values())
