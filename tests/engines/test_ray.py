"""Searches on a real Ray cluster of two nodes on this machine, to which something real happens."""

import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
from support.claim_example import example
from support.paths import PROJECT
from support.search_helpers import ENDLESS, assert_undisturbed, wait_for, wait_for_an_epoch, wait_for_runs

from benchmarks.searches import DIGITS, optuna_states, records, running, start

TWELVE = ("--trials", "12", "--engine", "ray")


def on(cluster, *spec):
    return (*spec, "--ray-address", cluster.address)


def ended(process, seconds=200):
    _output, errors = process.communicate(timeout=seconds)
    return process.returncode, errors


@pytest.mark.slow
def test_a_cluster_gives_what_this_machine_does(searched, cluster, tmp_path, store):
    status, errors = ended(start(tmp_path, *on(cluster, *TWELVE)))
    assert (status, errors) == (0, "")
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_two_hundred_trials_lose_nothing_to_killed_tasks_and_a_node_that_goes(own_cluster, tmp_path, command, store):
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    spec = ("--trials", "200", "--seed", "7")
    assert ended(start(undisturbed, *spec), 400)[0] == 0
    process = start(tmp_path, *on(own_cluster, *spec, "--engine", "ray"))
    killed = 0
    for trials in range(20, 160, 20):
        wait_for_runs(tmp_path, trials, seconds=300)
        if trials == 80:
            own_cluster.lose_a_node()
        for task in own_cluster.tasks()[:1]:
            with suppress(psutil.NoSuchProcess):
                task.kill()
                killed += 1
    status, errors = ended(process, 400)
    assert status == 0, errors
    assert_undisturbed(tmp_path, undisturbed)
    here = records(tmp_path)
    (parent,) = here.parents("study")
    lost = [run for run in here.children(parent.id) if run.tags["harness.state"] == "interrupted"]
    assert killed and lost  # a task may have ended in the moment of the blow
    assert all("of the cluster was lost" in run.tags["harness.note"] for run in lost)


@pytest.mark.slow
def test_a_lost_driver_takes_its_tasks_with_it_and_the_same_command_goes_on(searched, cluster, tmp_path, store):
    process = start(tmp_path, *on(cluster, *TWELVE))
    wait_for_runs(tmp_path, 3)
    wait_for(cluster.tasks)
    process.kill()
    ended(process)
    wait_for(lambda: not cluster.tasks(), seconds=5)
    status, errors = ended(start(tmp_path, *on(cluster, *TWELVE)))
    assert status == 0, errors
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_is_a_clean_one(cluster, tmp_path, store, number, status):
    (tmp_path / "endless.toml").write_text(ENDLESS)
    process = start(tmp_path, *on(cluster, *TWELVE, "--space", "endless.toml"))
    wait_for_an_epoch(tmp_path)
    process.send_signal(number)
    assert ended(process)[0] == status
    (parent,) = records(tmp_path).parents("study")
    assert "RUNNING" not in {run.status for run in [parent, *records(tmp_path).children(parent.id)]}
    assert "RUNNING" not in {trial.state.name for trial in optuna_states(tmp_path).trials}


@pytest.mark.slow
def test_other_code_on_a_node_stops_a_search_before_it_costs_a_trial(searched, cluster, tmp_path, store):
    other = tmp_path / "other"
    for folder in ("harness", "experiments"):
        shutil.copytree(PROJECT / folder, other / folder)
    (other / "harness" / "more.py").write_text("")
    process = start(tmp_path, *on(cluster, *TWELVE), PYTHONPATH=str(other))
    status, errors = ended(process)
    assert status == 1
    assert "the cluster cannot run this: a node has another version of the harness than the coordinator" in errors
    assert ended(start(tmp_path, *on(cluster, *TWELVE)))[0] == 0
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_what_this_machine_began_a_cluster_ends(searched, cluster, tmp_path, store):
    process = start(tmp_path, "--trials", "12")
    wait_for_runs(tmp_path, 3)
    process.kill()
    ended(process)
    assert ended(start(tmp_path, *on(cluster, *TWELVE)))[0] == 0
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_a_search_whose_nodes_have_gone_can_be_stopped(own_cluster, tmp_path, store):
    (tmp_path / "endless.toml").write_text(ENDLESS)
    process = start(tmp_path, *on(own_cluster, *TWELVE, "--space", "endless.toml", "--no-stack"))
    wait_for_an_epoch(tmp_path)
    own_cluster.lose_a_node()
    wait_for(lambda: any(run.tags.get("harness.attempt") == "2" for run in running(tmp_path)))
    process.send_signal(signal.SIGTERM)
    assert ended(process, 60)[0] == 143


def test_a_wrong_token_is_one_line(cluster, tmp_path, command):
    begun = time.monotonic()
    done = command(*DIGITS, *on(cluster, *TWELVE), RAY_AUTH_TOKEN="f" * 32)
    assert time.monotonic() - begun < 40
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: no Ray cluster answers at {cluster.address} (")
    assert done.stderr.count("\n") == 1 and "RAY_AUTH_TOKEN" in done.stderr
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_line(token, tmp_path, command):
    done = command(*DIGITS, *TWELVE, "--ray-address", "127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no Ray cluster answers at 127.0.0.1:1 ") and done.stderr.count("\n") == 1


def test_more_of_a_gpu_than_there_is_is_refused(cluster, command):
    done = command(*DIGITS, *on(cluster, *TWELVE), "--gpus-per-run", "0.5")
    assert done.returncode == 2
    assert "has too few GPUs for --gpus-per-run 0.5; --gpus-per-run 0 trains on CPUs" in done.stderr


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (("--ray-address", "auto"), "--ray-address and --gpus-per-run need --engine ray"),
        (("--gpus-per-run", "0.5"), "--ray-address and --gpus-per-run need --engine ray"),
        (("--engine", "ray", "--gpus-per-run", "-1"), "--gpus-per-run is -1.0: it should be at least 0"),
        (("--engine", "ray", "--gpus-per-run", "nan"), "--gpus-per-run is nan: it should be at least 0"),
        (("--engine", "ray", "--gpus-per-run", "inf"), "--gpus-per-run is inf: it should be 0.0001 to 1, or a whole"),
        (
            ("--engine", "ray", "--gpus-per-run", "1.5"),
            "--gpus-per-run is 1.5: it should be 0.0001 to 1, or a whole number",
        ),
        (
            ("--engine", "ray", "--gpus-per-run", "1e-5"),
            "--gpus-per-run is 1e-05: it should be 0.0001 to 1, or a whole",
        ),
        (("--engine", "ray", "--device", "cpu"), "--device is 'cpu': with --engine ray, --gpus-per-run decides"),
    ],
)
def test_options_that_do_not_go_together_are_refused(command, spec, message):
    for module, more in (("harness.search", ()), ("harness.replicate", ("momentum",))):
        done = command(module, *more, *spec)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


@pytest.mark.slow
def test_a_claim_is_replicated_on_a_cluster(cluster, tmp_path, store, command):
    (tmp_path / "hidden_width.toml").write_text(example(), encoding="utf-8")
    done = command("harness.replicate", "hidden_width.toml", "--quick", *on(cluster, "--engine", "ray"))
    assert done.returncode == 0, done.stderr
    assert "complete: hidden_width" in done.stdout


@pytest.mark.parametrize(("chosen", "mode"), [({}, "token"), ({"RAY_AUTH_MODE": "disabled"}, "disabled")])
def test_a_token_is_asked_for_unless_the_person_says_otherwise(chosen, mode):
    code = (
        "import os, harness.engines.cluster; print(os.environ['RAY_AUTH_MODE'], os.environ['RAY_USAGE_STATS_ENABLED'])"
    )
    env = {"PYTHONPATH": str(PROJECT), "PATH": ""} | chosen
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == f"{mode} 0\n"
