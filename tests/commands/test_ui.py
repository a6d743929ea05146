import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing

import psutil
import pytest
from support.paths import PROJECT
from support.search_helpers import wait_for

from harness.tracking.ui_server import port_holder


@pytest.fixture
def held_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_the_holder_of_a_port_is_named(held_port):
    assert port_holder(held_port).endswith(f"(pid {os.getpid()})")


def test_a_free_port_has_no_holder(held_port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    assert port_holder(free) == ""


def test_a_port_that_is_taken_is_refused_with_its_holder(command, store, held_port):
    done = command("harness.ui", "--port", str(held_port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --port {held_port} is in use by ")
    assert f"(pid {os.getpid()})" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_tracking_server_is_pointed_to(command):
    done = command("harness.ui", MLFLOW_TRACKING_URI="http://127.0.0.1:5000")
    assert done.returncode == 2
    assert "a server already shows these runs; open that address" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_serves_the_runs_of_this_folder_at_the_address_it_prints(tmp_path, store, number):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
    arguments = [sys.executable, "-m", "harness.ui", "--port", str(port)]
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as ui:
        assert ui.stdout is not None
        line = next(line for line in ui.stdout if line.startswith("MLflow is at"))
        assert f"http://127.0.0.1:{port} " in line
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
            assert b"MLflow" in page.read()
        processes = [psutil.Process(ui.pid), *psutil.Process(ui.pid).children(recursive=True)]
        assert not any("sqlite" in argument for process in processes for argument in process.cmdline())
        ui.send_signal(number)
        assert ui.wait(timeout=30) in (0, 143, -9)
    wait_for(lambda: port_holder(port) == "", seconds=30)


@pytest.mark.slow
def test_in_an_empty_folder_it_makes_the_database_as_a_search_would(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
    arguments = [sys.executable, "-m", "harness.ui", "--port", str(port)]
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as ui:
        assert ui.stdout is not None
        assert any(line.startswith("MLflow is at") for line in ui.stdout)
        ui.send_signal(signal.SIGINT)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
