"""The benchmarks' short versions, run as a user would: they end, and write what they print."""

import json
import os
import subprocess
import sys

import pytest
import torch
from support.paths import DATA_DIR, PROJECT


def run(tmp_path, name, *arguments):
    out = tmp_path / f"{name}.json"
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks" / f"{name}.py"), *arguments, "--out", str(out)],
        cwd=tmp_path, env=os.environ | {"HARNESS_DATA_DIR": str(DATA_DIR)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())
    assert results.pop("machine").keys() >= {"torch", "processor", "cores", "date", "jax", "lightning"}
    return done.stdout, results


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.fashion_mnist
def test_an_epoch_against_others(tmp_path):
    before = sorted(path.name for path in DATA_DIR.rglob("*"))
    printed, results = run(tmp_path, "epoch_cost", "--quick")
    seconds = results["seconds_of_an_epoch_of_a_run"]
    assert list(seconds) == ["32", "128", "1024"]
    for values in seconds.values():
        assert {"the lesson's own loop", "this project, stacks", "matrix products alone"} <= values.keys()
        assert all(value > 0 for value in values.values())
    assert printed.count("of the rate of the products alone") == 3
    assert (tmp_path / "epoch_cost.png").stat().st_size > 10_000
    assert sorted(path.name for path in DATA_DIR.rglob("*")) == before, "nothing is left among the data"


@pytest.mark.slow
def test_a_search_against_optuna_with_lightning(tmp_path):
    printed, results = run(tmp_path, "search_cost", "--quick")
    assert results["epochs"] > 0 and results["this_project_seconds"] > results["first_trial_after_seconds"] > 0
    assert results["first_trial_again_after_seconds"] > 0
    assert results["this_project_seconds"] > results["first_trial_after_seconds"] + results["trials_seconds"] > 0
    assert (tmp_path / "search_cost.png").stat().st_size > 10_000
    assert ("ratio" in results) == ("skipped, as it is not installed" not in printed)


@pytest.mark.slow
def test_a_study_that_grows(tmp_path):
    printed, growth = run(tmp_path, "growth_cost", "--quick")
    assert list(growth["seconds_a_trial"]) == ["10", "100", "1000"]
    assert f"trial 1000 takes {growth['times']:.2f} times what trial 10 takes to ask, tell and log" in printed
    assert growth["seconds_an_epoch"].keys() == growth["seconds_a_trial"].keys()
    assert f"an epoch of a run takes {growth['times_an_epoch']:.2f} times what it takes at trial 10" in printed


@pytest.mark.slow
@pytest.mark.fashion_mnist
def test_memory_by_workers(tmp_path):
    _, memory = run(tmp_path, "memory_cost", "--quick")
    assert memory["images_mib"] == pytest.approx(70_000 * 784 / 2**20, rel=1e-3)
    assert list(memory["peak_mib_by_workers"]) == ["1", "2"]


@pytest.mark.slow
@pytest.mark.fashion_mnist
def test_an_epoch_by_optimizer(tmp_path):
    printed, cost = run(tmp_path, "optimizer_cost", "--quick")
    seconds = cost["seconds_of_an_epoch_of_a_run"]
    assert list(seconds) == ["32", "128"]
    assert printed.count("Adam ") == 2 and printed.count("RMSprop ") == 2
    assert all(value > 0 for size in seconds.values() for ways in size.values() for value in ways.values())


@pytest.mark.slow
@pytest.mark.fashion_mnist
def test_many_runs_on_one_device(tmp_path):
    printed, cost = run(tmp_path, "gpu_cost", "--quick", "--device", "cpu")
    assert printed.startswith(f"20 runs of 2 epochs on the CPU: {cost['seconds']:.1f} s\n")


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_many_runs_are_skipped_by_name():
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks" / "gpu_cost.py")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "skipped, as torch sees no GPU here: 1,000 runs of 10 epochs on one\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["epoch_cost", "search_cost", "growth_cost", "memory_cost", "optimizer_cost", "update_profile"]
)
def test_without_the_data_it_is_one_line(tmp_path, name):
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks" / f"{name}.py"), "--data-dir", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == f"error: no Fashion-MNIST in {tmp_path}; name its folder with --data-dir\n"
