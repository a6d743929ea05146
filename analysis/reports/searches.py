"""Compares studies: a table on the screen, and a page. Every number comes from MLflow."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import typer

from analysis.evidence.studies import GROUPS, find_studies
from analysis.judging.searches import band, best_so_far
from analysis.rendering import searches as figures
from analysis.rendering.files import write_files
from harness.cli import command
from harness.cli.console import format_params
from harness.core.errors import UserError
from harness.core.intervals import mean_interval
from harness.core.validation import suggest
from harness.pages.interactive import figure_html, library_html
from harness.pages.templates import environment
from harness.storage.checks import tracking_uri
from harness.studies import findings
from harness.studies.frames import StudyFrames

_COLUMNS = ("study", "group", "trials", "cost", "validation", "test", "fresh seeds", "winner")
_CAUTION = (
    "The best validation accuracy so far is what a search maximises; it is optimistic, and one study is one seed. The"
    " test accuracies are those of fresh runs. To claim that one way of searching is better, compare several seeds."
)


def compare_studies(names: list[str], group_by: str, out: Path) -> None:
    """Print a table of these studies and write a page that compares them.

    Studies that share the value of `group_by` are one line with a band; with "" each study is a line. Raises
    `UserError` for bad input, and writes nothing.
    """
    if group_by and group_by not in GROUPS:
        hint = suggest(group_by, GROUPS)
        raise UserError(f"--group-by is {group_by!r}: {hint}studies are grouped by {', '.join(GROUPS)}")
    studies = find_studies(tracking_uri(), names)
    groups = [_group(study, group_by) for study in studies]
    rows = [_row(study, group) for study, group in zip(studies, groups, strict=True)]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    for sentence in _warnings(studies):
        typer.echo(f"warning: {sentence}")
    typer.echo(table.drop(columns="group" if not group_by else []).to_string(index=False))
    title = f"{len(studies)} searches of {studies[0].facts.dataset}"
    page = (
        environment(Path(__file__).parents[1] / "rendering" / "templates")
        .get_template("searches.html.jinja")
        .render(
            title=title,
            warnings=_warnings(studies),
            caution=_CAUTION,
            columns=_COLUMNS,
            rows=rows,
            plots=_plots(studies, groups, bool(group_by)),
            made=f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by {command.this_command(portable=True)}.",
            library=library_html(),
        )
    )
    (path,) = write_files(out, {"compare-" + "-".join(names)[:80].replace(":", "_") + ".html": page.encode()})
    typer.echo(f"\npage: {path}")


def _group(study: StudyFrames, group_by: str) -> str:
    if not group_by:
        return study.name
    value = str(getattr(study.facts, group_by))
    return f"{group_by} {value or 'the lesson’s'}"


def _row(study: StudyFrames, group: str) -> list[str]:
    curve, trials = best_so_far(study.trials), findings.ranked(study)
    best = trials[trials["trial"] == study.best].iloc[0]
    cost = curve["cost"].iloc[-1]
    tested = findings.winner_runs(study)["test_accuracy"]
    test = mean_interval(tested.dropna().tolist(), within=(0.0, 1.0))
    interval = f" [{test.low:.4f}, {test.high:.4f}]" if test.n > 1 else ""
    diverged = f", {len(tested) - test.n} diverged" if test.n < len(tested) else ""
    return [
        study.name,
        group,
        str(len(study.trials)),
        "–" if math.isnan(cost) else f"{cost:.3g}",
        f"{curve['best'].iloc[-1]:.4f}",
        f"{test.mean:.4f}{interval}{diverged}" if test.n else "–",
        str(len(tested)),
        f"trial {best['trial']}: {format_params({name: best[name] for name in study.names})}",
    ]


def _warnings(studies: list[StudyFrames]) -> list[str]:
    found = [f"{study.name}: {sentence}" for study in studies for sentence in study.lacks]
    if without := [study.name for study in studies if study.trials["cost"].isna().all()]:
        found.append(f"no training cost was recorded by an earlier version: {', '.join(without)}")
    return found


def _plots(studies: list[StudyFrames], groups: list[str], grouped: bool) -> list[dict[str, Any]]:
    curves: dict[str, list[pd.DataFrame]] = {}
    for study, group in zip(studies, groups, strict=True):
        curves.setdefault(group, []).append(best_so_far(study.trials))
    range_text = " A band is the range of the studies that share a setting, its line their mean." if grouped else ""
    plots = []
    for along, title in (("trials", "Best accuracy by trials"), ("cost", "Best accuracy by training cost")):
        known = {group: own for group, own in curves.items() if not any(one[along].isna().any() for one in own)}
        bands = {group: band(own, along) for group, own in known.items()}
        if bands:
            figure = figure_html(figures.progress(bands, along), title)
            plots.append({"title": title, "caption": f"Of complete trials.{range_text}", "figure": figure})
    shares = {study.name: study.facts.importances for study in studies if study.facts.importances}
    if shares:
        title = "Parameter importances"
        caption = "By PED-ANOVA, for studies with enough complete trials; each study's page has the intervals."
        plots.append({"title": title, "caption": caption, "figure": figure_html(figures.importances(shares), title)})
    return plots
