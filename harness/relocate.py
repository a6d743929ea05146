"""`python -m harness.relocate`: mend an MLflow database that was moved or copied. The command line alone."""

import typer

from harness.cli import command
from harness.cli.options import DebugOption
from harness.core.errors import UserError
from harness.storage.checks import check_exists, check_tracking, tracking_uri
from harness.storage.urls import sqlite_file, without_password

app = command.new_app()


@app.command()
def main(debug: DebugOption = False) -> None:
    """Let an MLflow database that was moved or copied with its folder look for its artifacts where it is now.

    MLflow stores absolute paths. The database as it was is kept beside the mended one.
    """
    with command.report_errors(debug):
        uri = tracking_uri()
        check_tracking(uri)
        check_exists(uri)
        path = sqlite_file(uri)
        if path is None:
            raise UserError(
                f"{without_password(uri)} is a server, which knows its artifacts: only a file can be mended"
            )

        from harness.tracking.places import relocate

        done = relocate(path)
        typer.echo(f"{done.places} paths now point to {path.resolve().parent}; the database as it was: {done.backup}")
        if done.missing_models:
            typer.echo(f"warning: {done.missing_models} models are not here: copy mlruns/ beside the database too")


if __name__ == "__main__":
    command.run(app)
