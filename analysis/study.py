"""`python -m analysis.study`: the report of a search, on the screen and as one page. The command line alone."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DebugOption, LanguageOption, OutputDirOption
from harness.storage.checks import check_name, check_tracking, tracking_uri

app = command.new_app()


@app.command()
def main(
    study: Annotated[str, typer.Option(help="Name of the study.", show_default="the newest")] = "",
    output_dir: OutputDirOption = Path("reports"),
    export: Annotated[str, typer.Option(help="Write the trials as csv,json,tex too.", show_default=False)] = "",
    lang: LanguageOption = "en",
    debug: DebugOption = False,
) -> None:
    """Report a finished search from what MLflow recorded of it."""
    with command.report_errors(debug):
        check_name(study)
        check_tracking(tracking_uri())

        from analysis.rendering.export import TABLES, formats_of
        from analysis.rendering.language import language_of_pages
        from analysis.reports.study import write_report

        formats = formats_of(export, TABLES)
        with language_of_pages(lang, output_dir) as folder:
            write_report(study, folder, formats)


if __name__ == "__main__":
    command.run(app)
