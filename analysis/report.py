"""`python -m analysis.report`: every claim judged from what MLflow holds, on one page. The command line alone."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import DebugOption, OptionalDatasetOption, OutputDirOption
from harness.core.errors import UserError
from harness.data.choice import data_choice
from harness.storage.checks import check_tracking, tracking_uri

_TITLE = "How a neural network learns: the lesson's claims, tested"

app = command.new_app()


@app.command()
def main(
    claims: Annotated[list[str] | None, typer.Argument(help="Claims, by name or path.", show_default="all")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Report the quick replications instead.")] = False,
    dataset: OptionalDatasetOption = None,
    output_dir: OutputDirOption = Path("reports"),
    log: Annotated[bool, typer.Option(help="Log the report to MLflow.")] = True,
    debug: DebugOption = False,
) -> None:
    """Judge all claims, or those named, and write the report as one HTML page and as Markdown."""
    with command.report_errors(debug):
        check_tracking(tracking_uri())
        if dataset == "auto":
            raise UserError("--dataset is 'auto': a replication names its data")
        data = data_choice(dataset) if dataset else None

        from harness.claims.file import claim_files, find_claim, read_claim

        paths = dict.fromkeys(map(find_claim, claims) if claims else claim_files())
        chosen = [read_claim(path) for path in paths]

        from analysis.reports.claims import write_report
        from analysis.sections.registry import ORDER

        chosen.sort(key=lambda claim: ORDER.index(claim.name) if claim.name in ORDER else len(ORDER))
        chosen = [claim.on(data) if data else claim for claim in chosen]
        chosen = [claim.quickened() if quick else claim for claim in chosen]
        name = "-".join(claim.name for claim in chosen) if claims else "report"
        name += f"-on-{chosen[0].dataset}" if dataset else ""
        write_report(chosen, output_dir, f"quick-{name}" if quick else name, _TITLE, with_exact=not claims, log=log)


if __name__ == "__main__":
    command.run(app)
