"""Renders judged claims as one self-contained HTML page and as Markdown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.judging.accuracy import accuracy_verdict, reached
from analysis.judging.verdicts import Verdict
from analysis.rendering import formatting
from analysis.rendering.files import drawn, environment, inline, write_files
from analysis.rendering.forest import small_forest
from analysis.rendering.glossary import LEGEND
from analysis.rendering.section import Judged, Table
from analysis.rendering.shown import Check, as_shown, png_files, shown_picture
from harness.claims.claim import Claim
from harness.core.language import _

_OF_TWO = ("difference", "log_ratio")


class Page(NamedTuple):
    """The contents of a page. `server` is the URL of a tracking server, or ""."""

    title: str
    made: str
    warnings: Sequence[str]
    judged: Sequence[Judged]
    checks: Sequence[Check]
    checks_run: str
    server: str


def write(
    page: Page, out: Path, name: str, figure_formats: Sequence[str] = (), with_summary: bool = False
) -> list[Path]:
    """Write `name`.html, `name`.md and figures/ below `out`, each figure as PNG and in `figure_formats`; the files.

    `with_summary`: also `name`-summary.html, one printed page. Raises `UserError` if the folder cannot be written.
    """
    templates = environment()
    context = _context(page)
    html = templates.get_template("report.html.jinja").render(context)
    markdown = templates.overlay(autoescape=False).get_template("report.md.jinja").render(context)
    figures = png_files([picture for claim in context["claims"] for picture in claim["pictures"]])
    for picture in (picture for judged in page.judged for picture in judged.section.pictures):
        for stem, figure in picture.files.items():
            for kind in figure_formats:
                figures[f"figures/{stem}.{kind}"] = drawn(figure, kind)
    pages = {f"{name}.html": html.encode(), f"{name}.md": markdown.encode()}
    if with_summary:
        pages[f"{name}-summary.html"] = templates.get_template("summary.html.jinja").render(context).encode()
    return write_files(out, pages | figures)


def _context(page: Page) -> dict[str, Any]:
    claims = [_claim(judged, page.server) for judged in page.judged]
    return {
        "title": page.title,
        "made": page.made,
        "warnings": page.warnings,
        "legend": LEGEND.items(),
        "has_lesson": any(claim["section"] for claim in claims),
        "claims": claims,
        "exact": page.checks,
        "exact_run": page.checks_run,
    }


def _claim(judged: Judged, server: str) -> dict[str, Any]:
    claim, evidence = judged.claim, judged.evidence
    if claim.quick:
        _mark_as_quick([figure for picture in judged.section.pictures for figure in picture.figures])
    shown = {
        "name": claim.name,
        "quick": claim.quick,
        "title": claim.title,
        "section": claim.section,
        "zh": claim.lesson_zh,
        "en": claim.lesson_en,
        "statement": claim.statement,
        "would_change": claim.would_change,
        "not_tuned": claim.not_tuned,
        "earlier": claim.earlier,
        "sources": claim.sources,
        "notes": judged.section.notes,
        "pictures": [shown_picture(picture) for picture in judged.section.pictures],
        "conditions": _conditions(judged.verdicts, claim.quick),
        "tables": [as_shown(table) for table in [*judged.section.tables, *tuning_tables(judged)]],
    }
    shown |= _runs(judged, server)
    if claim.primary is None:
        label, why = accuracy_verdict(claim, evidence)
        trained = [arm for arm in reached(evidence) if arm.accuracy.n]
        best = max((arm.accuracy.mean for arm in trained), default=0.0)
        return shown | {
            "label": label,
            "sentence": _("{sentence}.").format(sentence=f"{why[0].upper()}{why[1:]}"),
            "reason": "",
            "effect": _("{accuracy:.1f} % here").format(accuracy=best) if trained else _("literature"),
            "n": max(arm.accuracy.n for arm in trained) if trained else "–",
            "elsewhere": [],
            "but": formatting.BUT,
            "beyond": [],
            "groups": [],
        }
    primary = judged.verdicts[0]
    return shown | {
        "label": primary.label,
        "sentence": formatting.sentence(primary),
        "elsewhere": formatting.elsewhere(judged.verdicts),
        "but": formatting.BUT,
        "beyond": formatting.beyond(judged.verdicts),
        "reason": formatting.reason(primary),
        "effect": formatting.effect(primary),
        "n": primary.result.n,
        "groups": _groups(claim, judged.verdicts),
    }


def _runs(judged: Judged, server: str) -> dict[str, Any]:
    """What was run, where it is recorded, and by which code."""
    claim, evidence = judged.claim, judged.evidence
    if evidence is None:
        return {"done": "", "arms": [], "provenance": _("Claim file {sha256}.").format(sha256=claim.sha256[:12])}
    source = evidence.source
    return {
        "done": formatting.done(claim, source.dataset),
        "arms": _arms(judged, server),
        "provenance": _(
            "Replication {run}; claim file SHA-256 {claim_sha256}; data SHA-256 {data_sha256}; code {commits}."
        ).format(
            run=source.parent_id,
            claim_sha256=claim.sha256[:12],
            data_sha256=source.dataset_sha256[:12],
            commits=formatting.commits(source.commits),
        ),
    }


def tuning_tables(judged: Judged) -> list[Table]:
    """The tried and the chosen lr of each arm; [] if nothing was tuned."""
    evidence = judged.evidence
    if evidence is None or not evidence.chosen:
        return []
    scores = evidence.tuning.groupby(["arm", "lr"])["score"].mean()
    rows = [
        {_("arm"): judged.claim.shown(arm), _("chosen lr"): f"{lr:g}"}
        | {f"lr {tested:g}": formatting.number(score) for tested, score in scores[arm].to_dict().items()}
        for arm, lr in evidence.chosen.items()
    ]
    caption = _(
        "Tuning, by {criterion}: means over the tuning seeds (∞: a run diverged, or did not reach the target within its"
        " updates)."
    ).format(criterion=formatting.criterion(judged.claim))
    return [Table(caption, pd.DataFrame(rows))]


def _groups(claim: Claim, verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    groups = []
    for question, heading in formatting.questions(claim).items():
        rows = [_row(verdict) for verdict in verdicts if verdict.estimand.question == question]
        if rows:
            groups.append({"heading": heading, "rows": rows})
    return groups


def _row(verdict: Verdict) -> dict[str, Any]:
    reason = verdict.reason
    if verdict.needed:
        reason = _("{reason}; about {seeds} seeds would settle it").format(reason=reason, seeds=verdict.needed)
    return {
        "words": formatting.sentence(verdict),
        "primary": verdict.estimand.primary,
        "effect": formatting.effect(verdict),
        "claimed": formatting.claimed(verdict.estimand),
        "p": formatting.p_value(verdict),
        "better": formatting.share(verdict.result.prob_superiority) if verdict.estimand.compare in _OF_TWO else "–",
        "n": verdict.result.n,
        "method": _(verdict.result.method),
        "label": verdict.label,
        "finding": _(verdict.finding),
        "reason": reason,
    }


def _arms(judged: Judged, server: str) -> list[dict[str, Any]]:
    evidence = judged.evidence
    assert evidence is not None
    place = f"{server.rstrip('/')}/#/experiments/{evidence.source.experiment_id}/runs/" if server else ""
    return [
        {
            "words": arm.words,
            "settings": formatting.settings(arm, evidence.chosen),
            "runs": [{"id": run, "link": place + run if place else ""} for run in evidence.of([arm.name])["run_id"]],
        }
        for arm in judged.claim.arms.values()
    ]


def _conditions(verdicts: Sequence[Verdict], quick: bool) -> dict[str, str]:
    """A small picture of the primary effect and of what becomes of it under other conditions; {} without verdicts."""
    if not verdicts:
        return {}
    primary, *others = verdicts
    drawable = [one for one in others if one.estimand.when is not None and one.unit == primary.unit]
    rows = [primary, *drawable]
    alt = _("; ").join(
        _("{condition}: {finding}, {effect}").format(
            condition=formatting.condition(one.estimand), finding=_(one.finding), effect=formatting.effect(one)
        )
        for one in rows
    )
    figure = small_forest(rows)
    if quick:
        _mark_as_quick([figure], fontsize=8)
    left_out = sum(one.estimand.when is not None for one in others) - len(drawable)
    more = _("and {count} more in other units").format(count=left_out) if left_out else ""
    return {"data": inline(drawn(figure, "svg"), "svg+xml"), "alt": alt, "more": more}


def _mark_as_quick(figures: Sequence[Figure], fontsize: float | str = "x-small") -> None:
    for figure in figures:
        figure.supxlabel(_(formatting.QUICK_MARK), color="#cc3311", fontsize=fontsize, weight="bold", x=0.01, ha="left")
