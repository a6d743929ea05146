"""Judges claims, and writes their report: verdicts on the screen, one page, and a run in MLflow."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from analysis.evidence.claims import claim_evidence, exact_checks, made_by
from analysis.judging.quick import set_nearer_targets
from analysis.judging.verdicts import bounds, judge_all
from analysis.rendering.export import FIGURES, exported, plain_rows, read_verdicts, verdict_tables
from analysis.rendering.files import write_files
from analysis.rendering.page import Page, write
from analysis.rendering.section import Judged
from analysis.rendering.shown import Check
from analysis.rendering.terminal import text_table
from analysis.reports.comparison import compare
from analysis.sections.across import adjusted, warnings, with_own_training
from analysis.sections.default import published_section
from analysis.sections.registry import section_of
from harness.claims.claim import Claim
from harness.claims.file import find_claim, read_claim
from harness.cli import command
from harness.core.errors import Stopped, UserError
from harness.core.language import _
from harness.storage import checks
from harness.storage.urls import without_user
from harness.tracking import schema
from harness.tracking.reader import ExperimentReader
from harness.tracking.reports import log_report


def judge(spec: str, tracking_uri: str, quick: bool = False) -> Judged:
    """The claim called `spec` (its name, or the path of its file), judged by its runs at `tracking_uri`.

    Raises `UserError` if there is no such claim, or if the evidence is not acceptable.
    """
    claim = read_claim(find_claim(spec))
    return judge_claim(claim.quickened() if quick else claim, tracking_uri)


def judge_claim(claim: Claim, uri: str) -> Judged:
    """A claim judged by its runs in MLflow, with its section. Raises `UserError` if the evidence is not acceptable."""
    if not claim.arms:
        return Judged(claim, None, [], published_section(claim, None))
    evidence = claim_evidence(ExperimentReader(uri, f"claims/{claim.name}", made_by(claim)), claim)
    if claim.quick:
        set_nearer_targets(evidence)
    if claim.primary is None:
        return Judged(evidence.claim, evidence, [], published_section(evidence.claim, evidence))
    verdicts = judge_all(evidence)
    return Judged(evidence.claim, evidence, verdicts, section_of(evidence, verdicts))


def judge_claims(claims: Sequence[Claim]) -> list[Judged]:
    """The claims as they stand on one page. Raises `UserError` if the evidence of one is not acceptable."""
    uri = checks.tracking_uri()
    return with_own_training(adjusted([judge_claim(claim, uri) for claim in claims]))


def check_verdicts(claims: Sequence[Claim], export: Path) -> None:
    """Judge these claims, and compare their verdicts with those of a JSON export that names them.

    Raises `Stopped` with exit status 1 if one differs, `UserError` if the evidence is not acceptable.
    """
    names = {claim.name for claim in claims}
    old = [row for row in read_verdicts(export) if row["claim"] in names]
    if not old:
        raise UserError(
            f"{export} has no verdict on {', '.join(sorted(names))}; name its claims or their files before --check"
        )
    recorded = {row["claim"] for row in old}
    new = verdict_tables(judge_claims([claim for claim in claims if claim.name in recorded]))["verdicts"]
    found = compare(old, plain_rows(new))
    for sentence in found.effects:
        typer.echo(sentence)
    if found.verdicts:
        typer.echo("\n".join(found.verdicts))
        raise Stopped(f"{len(found.verdicts)} of {len(old)} verdicts differ from {export}", 1)
    typer.echo(f"{len(old)} verdicts are those of {export}")


def write_report(
    claims: Sequence[Claim],
    out: Path,
    name: str,
    title: str,
    with_exact: bool,
    log: bool,
    formats: Sequence[str] = (),
    with_summary: bool = False,
) -> None:
    """Judge these claims, print their verdicts, write the page and the exports in these formats, and log them.

    `with_summary`: also a page that prints on one sheet.

    Raises `UserError`, and writes nothing, if the evidence of a claim is not acceptable.
    """
    uri = checks.tracking_uri()
    judged = judge_claims(claims)
    checks_run, exact = exact_checks(uri) if with_exact else ("", [])
    page = Page(
        title=title,
        made=_("Made {time} UTC by {command}.").format(
            time=f"{datetime.now(UTC):%Y-%m-%d %H:%M}", command=command.this_command(portable=True)
        ),
        warnings=warnings(judged),
        judged=judged,
        checks=[Check(*check) for check in exact],
        checks_run=checks_run,
        server=without_user(uri) if uri.startswith("http") else "",
    )
    typer.echo("\n\n".join(text_table(one) for one in judged) + "\n")
    for warning in page.warnings:
        typer.echo(f"warning: {warning}")
    files = write(page, out, name, [one for one in formats if one in FIGURES], with_summary)
    pages = 3 if with_summary else 2
    summary = f"   summary: {files[2]}" if with_summary else ""
    typer.echo(f"page: {files[0]}   markdown: {files[1]}{summary}   figures: {len(files) - pages}")
    tables = write_files(out, exported(name, verdict_tables(judged), formats))
    if tables:
        typer.echo(f"exported: {', '.join(map(str, tables))}")
        files += tables
    if log:
        tags = {f"{schema.CLAIM_SHA256}.{one.claim.name}": one.claim.sha256 for one in judged} | _effect_sizes(judged)
        typer.echo(f"logged to MLflow: run {log_report(uri, name, out, files, tags)} of the experiment reports")


def _effect_sizes(judged: Sequence[Judged]) -> dict[str, str]:
    """The smallest effect that matters over the sd of the paired differences, for `harness.replicate --plan`."""
    verdicts = [(one.claim.name, verdict) for one in judged for verdict in one.verdicts]
    return {
        f"{schema.EFFECT_SIZE}.{claim}.{verdict.estimand.name}": repr(
            bounds(verdict.estimand).matters / verdict.result.sd
        )
        for claim, verdict in verdicts
        if verdict.result.sd > 0
    }
