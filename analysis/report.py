"""`python -m analysis.report`: every claim judged from what MLflow holds, on one page.

Only puts the parts together. Everything slow is imported after the arguments have been checked.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import command
from harness.cli.options import Debug, OtherDataName, Out
from harness.core.errors import UserError
from harness.data.choice import DataChoice, data_choice
from harness.storage.checks import check_tracking, tracking_uri
from harness.storage.urls import without_user

if TYPE_CHECKING:
    from analysis.rendering.page import Check
    from harness.claims.claim import Claim

_TITLE = "How a neural network learns: the lesson's claims, tested"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    claims: Annotated[list[str] | None, typer.Argument(help="Claims, by name or path.", show_default="all")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Report the quick replications instead.")] = False,
    dataset: OtherDataName = None,
    out: Out = Path("reports"),
    log: Annotated[bool, typer.Option(help="Log the report to MLflow.")] = True,
    debug: Debug = False,
) -> None:
    """Judge all claims, or those named, and write the report as one HTML page and as Markdown."""
    with command.one_line_endings(debug):
        uri = tracking_uri()
        check_tracking(uri)
        if dataset == "auto":
            raise UserError("--dataset is 'auto': a replication names its data")
        chosen = _claims(claims, quick, data_choice(dataset) if dataset else None)
        name = "-".join(claim.name for claim in chosen) if claims else "report"
        name += f"-on-{chosen[0].dataset}" if dataset else ""
        report(chosen, out, f"quick-{name}" if quick else name, _TITLE, with_exact=not claims, log=log)


def report(claims: "list[Claim]", out: Path, name: str, title: str, with_exact: bool, log: bool) -> None:
    """Judge these claims, print their verdicts, write the page and log it.

    Raises `UserError` where the evidence of one of them will not do: nothing is written then.
    """
    from analysis.rendering.page import Page, text_table, write
    from analysis.sections.across import adjusted, warnings, with_own_training
    from analysis.sections.registry import judge_claim

    uri = tracking_uri()
    judged = with_own_training(adjusted([judge_claim(claim, uri) for claim in claims]))
    checks, checks_run = _exact(uri) if with_exact else ([], "")
    page = Page(
        title,
        f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by {command.this_command()}.",
        warnings(judged),
        judged,
        checks,
        checks_run,
        _server(uri),
    )
    typer.echo("\n\n".join(text_table(one) for one in judged) + "\n")
    for warning in page.warnings:
        typer.echo(f"warning: {warning}")
    files = write(page, out, name)
    typer.echo(f"page: {files[0]}   markdown: {files[1]}   figures: {len(files) - 2}")
    if log:
        from harness.tracking.reports import log_report

        tags = {f"harness.claim_sha256.{one.claim.name}": one.claim.sha256 for one in judged}
        typer.echo(f"logged to MLflow: run {log_report(uri, name, out, files, tags)} of the experiment reports")


def _claims(wishes: list[str] | None, quick: bool, data: DataChoice | None) -> "list[Claim]":
    from analysis.sections.registry import OWN_MODULE
    from harness.claims.file import claim_files, find_claim, read_claim

    claims = [read_claim(path) for path in dict.fromkeys(map(find_claim, wishes) if wishes else claim_files())]
    claims.sort(key=lambda claim: OWN_MODULE.index(claim.name) if claim.name in OWN_MODULE else len(OWN_MODULE))
    if data is not None:
        claims = [claim.on(data) for claim in claims]
    return [claim.quickened() if quick else claim for claim in claims]


def _server(uri: str) -> str:
    """The address for links to a tracking server, without a name or password; "" where there is none."""
    return without_user(uri) if uri.startswith("http") else ""


def _exact(uri: str) -> "tuple[list[Check], str]":
    from analysis.evidence.claims import exact_checks
    from analysis.rendering.page import Check

    run_id, checks = exact_checks(uri)
    return [Check(*check) for check in checks], run_id


if __name__ == "__main__":
    command.run(app)
