"""Searches on a real Ray cluster of two nodes on this machine, to which something real happens."""

import os
import shutil
import signal
import time
import warnings
from contextlib import suppress

import psutil
import pytest
from places import PROJECT
from searching import DIGITS, assert_undisturbed, records, running, start, wait_for
from test_replicate import example

TWELVE = ("--trials", "12", "--engine", "ray")
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def token():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", TOKEN)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


@pytest.fixture
def cluster(token, elsewhere):
    """A head and one more node, with one CPU each."""
    from ray.cluster_utils import Cluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        cluster.second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


def on(cluster, *wish):
    return (*wish, "--ray-address", cluster.address)


def tasks():
    """The processes that carry out a task at this moment."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.NoSuchProcess):
            if "ray::_carry_out" in " ".join(process.info["cmdline"] or []):
                found.append(process)
    return found


def ended(process, seconds=200):
    _output, errors = process.communicate(timeout=seconds)
    return process.returncode, errors


@pytest.mark.slow
def test_a_cluster_gives_what_this_machine_does(searched, cluster, tmp_path, store):
    status, errors = ended(start(tmp_path, *on(cluster, *TWELVE)))
    assert (status, errors) == (0, "")
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_two_hundred_trials_lose_nothing_to_killed_tasks_and_a_node_that_goes(cluster, tmp_path, command, store):
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    wish = ("--trials", "200", "--seed", "7")
    assert ended(start(undisturbed, *wish), 400)[0] == 0
    process = start(tmp_path, *on(cluster, *wish, "--engine", "ray"))
    killed = 0
    for trials in range(20, 160, 20):
        wait_for(lambda trials=trials: len(running(tmp_path)) >= trials, seconds=300)
        if trials == 80:
            cluster.remove_node(cluster.second, allow_graceful=False)
        for task in tasks()[:1]:
            task.kill()
            killed += 1
    status, errors = ended(process, 400)
    assert status == 0, errors
    assert_undisturbed(tmp_path, undisturbed)
    here = records(tmp_path)
    (parent,) = here.parents("study")
    lost = [run for run in here.children(parent.id) if run.tags["harness.state"] == "interrupted"]
    assert len(lost) >= killed > 0
    assert all("of the cluster was lost" in run.tags["harness.note"] for run in lost)


@pytest.mark.slow
def test_a_lost_driver_takes_its_tasks_with_it_and_the_same_command_goes_on(searched, cluster, tmp_path, store):
    process = start(tmp_path, *on(cluster, *TWELVE))
    wait_for(lambda: len(running(tmp_path)) >= 3 and tasks())
    process.kill()
    ended(process)
    wait_for(lambda: not tasks(), seconds=5)
    status, errors = ended(start(tmp_path, *on(cluster, *TWELVE)))
    assert status == 0, errors
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_is_a_clean_one_and_this_machine_goes_on(searched, cluster, tmp_path, store, number, status):
    process = start(tmp_path, *on(cluster, *TWELVE))
    wait_for(lambda: len(running(tmp_path)) >= 3)
    process.send_signal(number)
    assert ended(process)[0] == status
    assert ended(start(tmp_path, "--trials", "12"))[0] == 0
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
def test_other_code_on_a_node_stops_a_search_before_it_costs_a_trial(searched, cluster, tmp_path, store):
    other = tmp_path / "other"
    for folder in ("harness", "experiments"):
        shutil.copytree(PROJECT / folder, other / folder)
    (other / "harness" / "more.py").write_text("")
    process = start(tmp_path, *on(cluster, *TWELVE), PYTHONPATH=str(other))
    status, errors = ended(process)
    assert status == 1
    assert "the cluster cannot run this: a node has other code of the harness than the coordinator" in errors
    assert ended(start(tmp_path, *on(cluster, *TWELVE)))[0] == 0
    assert_undisturbed(tmp_path, searched[0])


@pytest.mark.slow
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


@pytest.mark.slow
def test_more_of_a_gpu_than_there_is_is_refused(cluster, command):
    done = command(*DIGITS, *on(cluster, *TWELVE), "--gpus-per-run", "0.5")
    assert done.returncode == 2
    assert "has no GPU with 0.5 of it free: --gpus-per-run 0 trains on CPUs" in done.stderr


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (("--ray-address", "auto"), "--ray-address and --gpus-per-run need --engine ray"),
        (("--gpus-per-run", "0.5"), "--ray-address and --gpus-per-run need --engine ray"),
        (("--engine", "ray", "--gpus-per-run", "-1"), "--gpus-per-run is -1.0: it should be at least 0"),
        (("--engine", "ray", "--gpus-per-run", "nan"), "--gpus-per-run is nan: it should be at least 0"),
        (("--engine", "ray", "--device", "cpu"), "--device is 'cpu': with --engine ray, --gpus-per-run decides"),
    ],
)
def test_options_that_do_not_go_together_are_refused(command, wish, message):
    for module, more in (("harness.search", ()), ("harness.replicate", ("momentum",))):
        done = command(module, *more, *wish)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


@pytest.mark.slow
def test_a_claim_is_replicated_on_a_cluster(cluster, tmp_path, store, command):
    (tmp_path / "hidden_width.toml").write_text(example(), encoding="utf-8")
    done = command("harness.replicate", "hidden_width.toml", "--quick", *on(cluster, "--engine", "ray"))
    assert done.returncode == 0, done.stderr
    assert "complete: hidden_width" in done.stdout


def test_a_token_is_asked_for_unless_the_person_says_otherwise():
    import harness.engines.cluster  # noqa: F401

    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
