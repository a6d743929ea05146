"""The command line of `python -m analysis.momentum` and the like: one claim, printed and drawn."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DebugOption, LanguageOption, OutputDirOption
from harness.storage.checks import check_tracking, tracking_uri


def run(name: str) -> None:
    """Run the command line for the claim called `name`."""
    app = command.new_app()

    @app.command(help=f"Judge the claim {name!r} from what MLflow holds; print and draw it.")
    def main(
        quick: Annotated[bool, typer.Option("--quick", help="Judge the quick replication instead.")] = False,
        output_dir: OutputDirOption = Path("reports"),
        lang: LanguageOption = "en",
        debug: DebugOption = False,
    ) -> None:
        with command.report_errors(debug):
            check_tracking(tracking_uri())

            from analysis.rendering.language import language_of_pages
            from analysis.reports.claims import write_report
            from harness.claims.file import find_claim, read_claim

            claim = read_claim(find_claim(name)).in_language(lang)
            claim = claim.quickened() if quick else claim
            page = f"quick-{name}" if quick else name
            with language_of_pages(lang, output_dir) as folder:
                write_report([claim], folder, page, claim.title, with_exact=False, log=False)

    command.run(app)
