"""The command behind `python -m analysis.momentum` and its like: one claim on its own, printed and drawn."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import Debug, Out
from harness.storage.checks import check_tracking, tracking_uri


def run(name: str) -> None:
    """Run the command line for the claim called `name`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command(help=f"Judge the claim {name!r} from what MLflow holds; print and draw it.")
    def main(
        quick: Annotated[bool, typer.Option("--quick", help="Judge the quick replication instead.")] = False,
        out: Out = Path("reports"),
        debug: Debug = False,
    ) -> None:
        with command.one_line_endings(debug):
            check_tracking(tracking_uri())

            from analysis.report import report
            from harness.claims.file import find_claim, read_claim

            claim = read_claim(find_claim(name))
            claim = claim.quickened() if quick else claim
            report([claim], out, f"quick-{name}" if quick else name, claim.title, with_exact=False, log=False)

    command.run(app)
