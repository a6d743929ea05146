"""`python -m harness.ui`: MLflow's own user interface on this project's records, at an address that is surely free."""

import os
import signal
import socket
import subprocess
import sys
import time
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import Debug
from harness.core.errors import UserError
from harness.storage.checks import MLFLOW_DEFAULT, check_tracking, tracking_uri
from harness.storage.urls import sqlite_file, without_password

_HOST = "127.0.0.1"
_DEFAULT_PORT = 5000
_PORTS_TRIED = 20
_SECONDS_TO_START = 60

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to serve on.", show_default="5000, or the next free one")
    ] = 0,
    debug: Debug = False,
) -> None:
    """Open MLflow's user interface on the runs of this folder (or of MLFLOW_TRACKING_URI). Ctrl-C ends it.

    It answers on this machine only (127.0.0.1).
    """
    with command.one_line_endings(debug):
        uri = tracking_uri()
        if uri.startswith("http"):
            raise UserError(
                f"MLFLOW_TRACKING_URI is {without_password(uri)}: a server already shows these runs; open that address"
            )
        check_tracking(uri)
        _make_database(uri)
        _serve(uri, port or _free_port())


def port_holder(port: int) -> str:
    """Who listens on `port` of this machine, as `python (pid 123)`; "" if it is free."""
    with socket.socket() as probe:
        # What a server does too: a port whose last connections are still fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return _listener(port) or "another program"
    return ""


def _make_database(uri: str) -> None:
    """MLflow's server would make it too, but not so that a search that starts at this moment bears it."""
    path = sqlite_file(uri)
    if path and not path.exists():
        from harness.tracking.experiments import writer

        writer(uri)


def _free_port() -> int:
    for port in range(_DEFAULT_PORT, _DEFAULT_PORT + _PORTS_TRIED):
        holder = port_holder(port)
        if not holder:
            return port
        typer.echo(f"port {port} is held by {holder}")
    raise UserError(f"no port from {_DEFAULT_PORT} to {_DEFAULT_PORT + _PORTS_TRIED - 1} is free; name one with --port")


def _serve(uri: str, port: int) -> None:
    holder = port_holder(port)
    if holder:
        raise UserError(f"--port {port} is held by {holder}; end that program or choose another port")
    typer.echo(f"starting MLflow on {without_password(uri)} ...")
    arguments = [
        "-m",
        "mlflow",
        "ui",
        "--host",
        _HOST,
        "--port",
        str(port),
        "--backend-store-uri",
        uri,
        "--workers",
        "1",
    ]
    arguments += ["--uvicorn-opts", "--log-level warning"]
    artifacts = ["--default-artifact-root", "./mlruns"] if uri == MLFLOW_DEFAULT else []
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    # In a session of its own, the server does not see Ctrl-C, and its workers end with it.
    with subprocess.Popen([sys.executable, *arguments, *artifacts], env=quiet, start_new_session=True) as server:
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell script that starts us behind & ignores it
        try:
            _wait_until_it_answers(server, port)
            typer.echo(f"\nMLflow is at http://{_HOST}:{port} (this machine only). Ctrl-C ends it.\n")
            server.wait()
        except KeyboardInterrupt:
            typer.echo("MLflow has ended")
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise UserError(
                f"MLflow ended with status {server.returncode} before it answered; its messages stand above"
            )
        with socket.socket() as probe:
            if probe.connect_ex((_HOST, port)) == 0:
                return
        time.sleep(0.2)
    raise UserError(f"MLflow did not answer on port {port} within {_SECONDS_TO_START} s; its messages stand above")


def _listener(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:  # whose it is is the secret of another user
        pass
    return ""


if __name__ == "__main__":
    command.run(app)
