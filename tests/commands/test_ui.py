import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from itertools import islice

import psutil
import pytest
from support.paths import PROJECT
from support.search_helpers import wait_for

from harness.core.metrics import DatasetRecord
from harness.tracking.ui_server import port_holder
from harness.tracking.writer import ExperimentWriter


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


def test_of_a_tracking_server_the_newest_studies_are_linked(command, server):
    uri = f"http://127.0.0.1:{server}"
    writer = ExperimentWriter(uri, "search/digits", DatasetRecord("digits", "ab" * 32, "", "", "", "digits"), "cpu")
    writer.close_parent(writer.open_parent("s", "study", {}), "complete")
    done = command("harness.ui", MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 0, done.stderr
    study, trials, charts = done.stdout.splitlines()[:3]
    assert study == "s"
    assert f"{uri}/#/experiments/" in trials and charts.endswith("&compareRunsMode=CHART")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_serves_the_runs_of_this_folder_at_the_address_it_prints(tmp_path, store, number):
    writer = ExperimentWriter(store, "search/digits", DatasetRecord("digits", "ab" * 32, "", "", "", "digits"), "cpu")
    writer.close_parent(writer.open_parent("s", "study", {}), "complete")
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
        linked = [line.split() for line in islice(ui.stdout, 4)][1:]
        assert linked[0] == ["s"] and [name for name, _ in linked[1:]] == ["trials", "charts"]
        assert all(f"http://127.0.0.1:{port}/#/experiments/1/runs?" in link for _, link in linked[1:])
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
