"""Runs MLflow's own user interface as a child process, on a port that is free."""

import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser

import psutil
import typer

from harness.core.errors import UserError
from harness.storage.checks import MLFLOW_DEFAULT
from harness.storage.urls import sqlite_file, without_password
from harness.tracking.migrations import check_schema

_HOST = "127.0.0.1"
_DEFAULT_PORT = 5000
_PORTS_TRIED = 20
_SECONDS_TO_START = 60
_LINKED_STUDIES = 3
# Its input ends when its parent does.
_END_WITH_PARENT = "import os, signal, sys; sys.stdin.read(); os.killpg(int(sys.argv[1]), signal.SIGTERM)"


def port_holder(port: int) -> str:
    """The program that listens on `port` of this machine, as `python (pid 123)`; "" if the port is free."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return _listener(port) or "another program"
    return ""


def free_port() -> int:
    """The first free port from 5000 on. Raises `UserError` if there is none among the first 20."""
    for port in range(_DEFAULT_PORT, _DEFAULT_PORT + _PORTS_TRIED):
        holder = port_holder(port)
        if not holder:
            return port
        typer.echo(f"port {port} is in use by {holder}")
    last = _DEFAULT_PORT + _PORTS_TRIED - 1
    raise UserError(f"no port from {_DEFAULT_PORT} to {last} is free; choose one with --port")


def serve(uri: str, port: int, open_browser: bool) -> None:
    """Serve the store at `uri` until Ctrl-C, and `show_links`.

    Raises `UserError` if the port is held or MLflow does not start.
    """
    check_schema(uri)
    _create_database(uri)
    holder = port_holder(port)
    if holder:
        raise UserError(f"--port {port} is in use by {holder}; end that program or choose another port")
    typer.echo(f"starting MLflow on {without_password(uri)} ...")
    arguments = ["-m", "mlflow", "ui", "--host", _HOST, "--port", str(port)]
    arguments += ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    arguments += ["--default-artifact-root", "./mlruns"] if uri == MLFLOW_DEFAULT else []
    # The address may hold a password, which everybody would see in the list of processes.
    env = os.environ | {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    env |= {"MLFLOW_LOGGING_LEVEL": "WARNING"}
    # In a session of its own, the server does not receive Ctrl-C, and its workers end with it.
    with subprocess.Popen([sys.executable, *arguments], env=env, start_new_session=True) as server, _ends(server.pid):
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for background jobs
        try:
            _wait_until_it_answers(server, port)
            typer.echo(f"\nMLflow is at http://{_HOST}:{port} (this machine only). Press Ctrl-C to stop it.\n")
            show_links(uri, f"http://{_HOST}:{port}", open_browser)
            server.wait()
        except KeyboardInterrupt:
            typer.echo("MLflow has ended")


def show_links(uri: str, server: str, open_browser: bool) -> None:
    """Print links to the newest studies in the store at `uri`, which `server` shows; open the first in a browser."""
    from harness.tracking.views import newest_studies, study_links  # it takes seconds, in which the server starts

    links = [study_links(server, experiment_id, study) for experiment_id, study in newest_studies(uri, _LINKED_STUDIES)]
    if not links:
        typer.echo(f"no study is recorded yet at {server}")
    for one in links:
        typer.echo(f"{one.study}\n  trials  {one.table}\n  charts  {one.charts}")
    if open_browser:
        webbrowser.open(links[0].table if links else server)


def _ends(group: int) -> "subprocess.Popen[bytes]":
    """A process that ends this group of processes when it is left, or when this process dies in any way."""
    arguments = [sys.executable, "-c", _END_WITH_PARENT, str(group)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)


def _create_database(uri: str) -> None:
    """MLflow's server would create it too, but not safely if a search starts at the same moment."""
    path = sqlite_file(uri)
    if path and not path.exists():
        from harness.tracking.experiments import open_store  # imports MLflow

        open_store(uri)


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise UserError(f"MLflow ended with status {server.returncode} before it answered; see its messages above")
        with socket.socket() as probe:
            if probe.connect_ex((_HOST, port)) == 0:
                return
        time.sleep(0.2)
    raise UserError(f"MLflow did not answer on port {port} within {_SECONDS_TO_START} s; see its messages above")


def _listener(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:  # it belongs to another user
        pass
    return ""
