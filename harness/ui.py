"""`python -m harness.ui`: MLflow's own user interface on this project's records. The command line alone."""

from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DebugOption
from harness.storage.checks import check_tracking, tracking_uri
from harness.storage.urls import without_user

app = command.new_app()


@app.command()
def main(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to serve on.", show_default="5000, or the next free one")
    ] = 0,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the newest study in a browser.")] = False,
    debug: DebugOption = False,
) -> None:
    """Serve MLflow's user interface on the runs of this folder (or of MLFLOW_TRACKING_URI); link the newest studies.

    It answers on this machine only (127.0.0.1). Ctrl-C stops it. If MLFLOW_TRACKING_URI is a server, it only links.
    """
    with command.report_errors(debug):
        uri = tracking_uri()
        check_tracking(uri)

        from harness.tracking.ui_server import free_port, serve, show_links

        if uri.startswith("http"):
            show_links(uri, without_user(uri), open_browser)
        else:
            serve(uri, port or free_port(), open_browser)


if __name__ == "__main__":
    command.run(app)
