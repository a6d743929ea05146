"""`python -m analysis.report`: every claim judged from what MLflow holds, on one page. The command line alone."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DebugOption, LanguageOption, OptionalDatasetOption, OutputDirOption
from harness.core.errors import UserError
from harness.core.language import N_, _
from harness.data.choice import data_choice
from harness.storage.checks import check_tracking, tracking_uri

_TITLE, _OWN_TITLE = N_("How a neural network learns: the lesson's claims, tested"), N_("Claims, tested")

app = command.new_app()


@app.command()
def main(
    claims: Annotated[list[str] | None, typer.Argument(help="Claims, by name or path.", show_default="all")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Report the quick replications instead.")] = False,
    dataset: OptionalDatasetOption = None,
    output_dir: OutputDirOption = Path("reports"),
    log: Annotated[bool, typer.Option(help="Log the report to MLflow.")] = True,
    export: Annotated[
        str, typer.Option(help="Write tables (csv,json,tex) and figures (svg,pdf) too.", show_default=False)
    ] = "",
    summary: Annotated[
        bool, typer.Option("--summary", help="Write a summary too: one printed page for eight claims.")
    ] = False,
    check: Annotated[
        Path | None, typer.Option(help="Only compare with a JSON export: exit status 1 if a verdict differs.")
    ] = None,
    lang: LanguageOption = "en",
    debug: DebugOption = False,
) -> None:
    """Judge all claims, or those named, and write the report as one HTML page and as Markdown."""
    with command.report_errors(debug):
        check_tracking(tracking_uri())
        if dataset == "auto":
            raise UserError("--dataset is 'auto': a replication names its data")
        data = data_choice(dataset) if dataset else None

        from analysis.rendering.export import FIGURES, TABLES, formats_of

        formats = formats_of(export, (*TABLES, *FIGURES))

        from analysis.rendering.language import language_of_pages
        from analysis.reports.claims import check_verdicts, write_report
        from analysis.sections.registry import ORDER
        from harness.claims.file import claim_files, find_claim, read_claim

        with language_of_pages(lang, output_dir) as folder:
            paths = dict.fromkeys(map(find_claim, claims) if claims else claim_files())
            chosen = [read_claim(path).in_language(lang) for path in paths]
            chosen.sort(key=lambda claim: ORDER.index(claim.name) if claim.name in ORDER else len(ORDER))
            chosen = [claim.on(data) if data else claim for claim in chosen]
            chosen = [claim.quickened() if quick else claim for claim in chosen]
            if check is not None:
                check_verdicts(chosen, check)
                return
            name = "-".join(claim.name for claim in chosen) if claims else "report"
            name += f"-on-{chosen[0].dataset}" if dataset else ""
            title = _(_TITLE if any(claim.section for claim in chosen) else _OWN_TITLE)
            title = chosen[0].title if len(chosen) == 1 else title
            page = f"quick-{name}" if quick else name
            write_report(chosen, folder, page, title, not claims, log, formats, summary)


if __name__ == "__main__":
    command.run(app)
