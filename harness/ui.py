"""`python -m harness.ui`: MLflow's own user interface on this project's records. The command line alone."""

from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DebugOption
from harness.core.errors import UserError
from harness.storage.checks import check_tracking, tracking_uri
from harness.storage.urls import without_password

app = command.new_app()


@app.command()
def main(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to serve on.", show_default="5000, or the next free one")
    ] = 0,
    debug: DebugOption = False,
) -> None:
    """Open MLflow's user interface on the runs of this folder (or of MLFLOW_TRACKING_URI). Ctrl-C stops it.

    It answers on this machine only (127.0.0.1).
    """
    with command.report_errors(debug):
        uri = tracking_uri()
        if uri.startswith("http"):
            raise UserError(
                f"MLFLOW_TRACKING_URI is {without_password(uri)}: a server already shows these runs; open that address"
            )
        check_tracking(uri)

        from harness.tracking.ui_server import free_port, serve

        serve(uri, port or free_port())


if __name__ == "__main__":
    command.run(app)
