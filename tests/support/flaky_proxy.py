"""A real MLflow server, and a gate before it that can be shut."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def mlflow_server(folder, port, store=None):
    """A server in `folder`, on its mlflow.db or another `store`, as long as the context is open."""
    arguments = [
        sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1",
        "--backend-store-uri", store or f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", f"{folder}/artifacts",
    ]  # fmt: skip
    env = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(arguments, cwd=folder, env=env, start_new_session=True, **quiet) as server:
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
