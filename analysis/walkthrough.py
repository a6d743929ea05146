"""`python -m analysis.walkthrough`: the lesson's worked examples on one page. The command line alone."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DebugOption, LanguageOption, OutputDirOption
from harness.storage.checks import check_tracking, tracking_uri

app = command.new_app()


@app.command()
def main(
    output_dir: OutputDirOption = Path("reports"),
    log: Annotated[bool, typer.Option(help="Log the page to MLflow.")] = True,
    lang: LanguageOption = "en",
    debug: DebugOption = False,
) -> None:
    """Compute the lesson's worked examples, and write them as one page that needs no network."""
    with command.report_errors(debug):
        if log:
            check_tracking(tracking_uri())

        from analysis.rendering.language import language_of_pages
        from analysis.reports.walkthrough import write_walkthrough

        with language_of_pages(lang, output_dir) as folder:
            write_walkthrough(folder, log)


if __name__ == "__main__":
    command.run(app)
