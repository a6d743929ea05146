"""Calls to MLflow through a gate to a real server, which is away, fails, or whose answer is lost."""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness import patience
from harness.config import make_config
from harness.defaults import LESSON
from harness.errors import Stopped
from harness.metrics import DatasetRecord
from harness.model import Classifier, initial_model
from harness.tracking import Tracking

CONFIG = make_config(**LESSON, seed=1, dataset="digits", split="search")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def mlflow_server(folder, port):
    arguments = [
        sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    env = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with subprocess.Popen(arguments, cwd=folder, env=env, stderr=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield server
        finally:
            os.killpg(server.pid, 9)


class Gate(ThreadingHTTPServer):
    """Hands requests on to a server. `state`: "open"; "failing", every answer a 500; "deaf", the request is handed on,
    but its answer is thrown away for a 502, once."""

    def __init__(self, behind):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.state = "open"

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._hand_on()

    def do_POST(self):
        self._hand_on()

    def do_PATCH(self):
        self._hand_on()

    def do_PUT(self):
        self._hand_on()

    def _hand_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        state = self.server.state
        if state == "failing":
            return self._answer(500, b"out of order")
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.behind}{self.path}", body or None,
            {"Content-Type": self.headers.get("Content-Type", "")}, method=self.command,
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        if state == "deaf" and self.path.endswith("runs/create"):
            self.server.state = "open"
            return self._answer(502, b"bad gateway")
        return self._answer(status, text)

    def _answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory, migrated_store):
    folder = tmp_path_factory.mktemp("server")
    (folder / "mlflow.db").write_bytes(migrated_store.read_bytes())
    port = free_port()
    with mlflow_server(folder, port):
        yield port


@pytest.fixture
def gate(server):
    with Gate(server) as gate:
        threading.Thread(target=gate.serve_forever, daemon=True).start()
        yield gate
        gate.shutdown()


@pytest.fixture
def tracking(gate):
    return Tracking(gate.address, "search/digits", DatasetRecord("digits", "0" * 64, "", "", "", "digits"), "cpu")


@pytest.mark.slow
def test_a_call_waits_while_the_server_fails_and_says_so_once(gate, tracking, caplog):
    parent = tracking.open_parent("failing", "study", {})
    gate.state = "failing"
    threading.Timer(5.0, setattr, (gate, "state", "open")).start()
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="harness"):
        run = tracking.start(parent, "trial 0", "trial", CONFIG, {})
    assert time.monotonic() - begun > 4.5
    assert [child.id for child in tracking.children(parent)] == [run]
    waiting, back = (record.getMessage() for record in caplog.records if record.name == "harness")
    assert waiting.startswith(f"waiting for MLflow's store {gate.address}: ")
    assert "500" in waiting
    assert back.startswith("MLflow's store answers again, after ")


@pytest.mark.slow
def test_a_run_whose_making_was_not_answered_is_not_made_twice(gate, tracking):
    parent = tracking.open_parent("deaf", "study", {})
    gate.state = "deaf"
    run = tracking.start(parent, "trial 0", "trial", CONFIG, {})
    assert gate.state == "open", "nothing was thrown away"
    assert [child.id for child in tracking.children(parent)] == [run]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")  # MLflow's, of its own functions
def test_a_model_waits_too(gate, tracking, digits):
    parent = tracking.open_parent("model", "study", {})
    run = tracking.start(parent, "winner", "winner", CONFIG, {})
    gate.state = "failing"
    threading.Timer(5.0, setattr, (gate, "state", "open")).start()
    example = digits.test_inputs[:2].numpy()
    tracking.log_model(run, Classifier(initial_model(CONFIG, digits)), example, {})
    (winner,) = tracking.children(parent)
    assert winner.tags["harness.model"].startswith("models:/m-")


@pytest.mark.slow
def test_who_waited_long_enough_stops_and_then_waits_no_more(gate, tracking, monkeypatch):
    parent = tracking.open_parent("away", "study", {})
    monkeypatch.setattr(patience, "SECONDS", 3.0)
    gate.state = "failing"
    with pytest.raises(Stopped, match=r"has not answered for 3 s .* then give the same command again"):
        tracking.log_metrics(parent, {"x": 1.0})
    begun = time.monotonic()
    with pytest.raises(Stopped):
        tracking.finish(parent, "interrupted")
    assert time.monotonic() - begun < 2.0
    gate.state = "open"
    tracking.finish(parent, "interrupted")


@pytest.mark.slow
def test_what_the_server_refuses_is_not_waited_for(tracking):
    begun = time.monotonic()
    with pytest.raises(Exception, match="not found"):
        tracking.log_metrics("0" * 32, {"x": 1.0})
    assert time.monotonic() - begun < 2.0
