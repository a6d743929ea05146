"""The page of a study, from what MLflow recorded of it: facts, interactive figures, all trials. One file, no network.

The search logs it to MLflow, and `analysis.study` writes the same file.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from harness.cli.console import format_params
from harness.core.language import N_, _
from harness.core.network import label
from harness.pages.interactive import figure_html, library_html
from harness.pages.templates import environment
from harness.storage.urls import without_user
from harness.studies import figures, findings
from harness.studies.facts import StudyFacts
from harness.studies.frames import MOST_SHOWN, StudyFrames
from harness.studies.summary import warning_in_language

_LOCAL_UI = "http://127.0.0.1:5000"
_COMMIT_DIGITS = 10
_ACCURACIES = ("val_accuracy", "best_val_accuracy", "test_accuracy", "test_loss")
DIGITS = {"best_epoch": ".0f", "lr": "#.4g", "gamma": ".4f", "seconds": ".2f"} | dict.fromkeys(_ACCURACIES, ".4f")
_FRESH_COLUMNS = ("seed", "state", "test_accuracy", "test_loss")
HEADERS = {"trial": N_("trial"), "state": N_("state"), "seed": N_("seed"), "seconds": N_("seconds")}


class _Plot(NamedTuple):
    """A figure under its caption, or several that share one."""

    title: str
    caption: str
    figures: list[tuple[str, go.Figure]]


def study_page(frames: StudyFrames, uri: str) -> str:
    """The page as HTML. Its links lead to MLflow's UI: that of the server at `uri`, or of this machine."""
    server = without_user(uri).rstrip("/") if uri.startswith("http") else _LOCAL_UI
    trials = findings.ranked(frames)
    shown = trials.head(MOST_SHOWN)
    cut = ""
    if len(shown) < len(trials):
        cut = _("the {shown} best of {count:,} trials").format(shown=len(shown), count=len(trials))
    place = f"{server}/#/experiments/{frames.experiment_id}/runs/"
    best = trials[trials["trial"] == frames.best].iloc[0]
    columns = ("trial", "state", "val_accuracy", "best_val_accuracy", "best_epoch", *frames.names, "seconds")
    winner = findings.winner_runs(frames)
    return (
        environment(Path(__file__).parent / "templates")
        .get_template("study.html.jinja")
        .render(
            name=frames.name,
            best=format_params({name: best[name] for name in frames.names}),
            number=frames.best,
            test=findings.test_text(frames),
            gain=findings.gain_sentence(frames),
            warnings=[*frames.lacks, *map(warning_in_language, frames.facts.warnings)],
            facts=_facts(frames),
            confirmed=findings.confirmed_texts(frames),
            caution=_(findings.CAUTION),
            cut=cut,
            plots=[
                {
                    "title": plot.title,
                    "caption": plot.caption,
                    "panels": [figure_html(figure, label, _height(plot)) for label, figure in plot.figures],
                }
                for plot in _plots(frames, trials, shown)
            ],
            columns=_headers(columns),
            trials=_rows(shown, columns, DIGITS, place),
            fresh_columns=_headers(_FRESH_COLUMNS),
            tested={
                _("Runs of the winner, tested once each"): _rows(winner, _FRESH_COLUMNS, DIGITS, place),
                _("Runs of the lesson's setting, with the same seeds"): _rows(
                    frames.baseline, _FRESH_COLUMNS, DIGITS, place
                ),
            },
            server=server,
            local=server == _LOCAL_UI,
            parent={"id": frames.parent_id, "link": place + frames.parent_id},
            notes=list(filter(None, [findings.earlier_winners(frames), findings.before_digests(frames)])),
            library=library_html(),
        )
    )


def _facts(frames: StudyFrames) -> dict[str, str]:
    facts = frames.facts
    found = {
        N_("trials"): findings.states_text(frames),
        N_("command"): facts.command,
        N_("seed"): str(facts.seed),
        N_("sampler, pruner"): _(", ").join([facts.sampler, facts.pruner]),
        N_("search space"): facts.space,
        N_("begun"): _("{day} (UTC)").format(day=facts.day),
        N_("data"): _("{data}, SHA-256 {sha256}").format(data=facts.dataset, sha256=facts.dataset_sha256[:12]),
        N_("device"): facts.device,
        N_("code"): _commit(facts),
    }
    return {name: text for name, text in found.items() if text}


def _commit(facts: StudyFacts) -> str:
    if not facts.commit:
        return ""
    text = _("commit {commit} with changes that were not committed") if facts.is_dirty else _("commit {commit}")
    return text.format(commit=facts.commit[:_COMMIT_DIGITS])


def _plots(frames: StudyFrames, trials: pd.DataFrame, shown: pd.DataFrame) -> list[_Plot]:
    best, importances = frames.best, frames.facts.importances
    curves = frames.epochs.dropna(subset="val_accuracy").merge(shown[["trial"]], on="trial")
    curves = curves.assign(state=curves["trial"].map(shown.set_index("trial")["state"].to_dict()))
    plots = []
    if len(curves):
        text = _("Every trial, epoch by epoch")
        plots.append(_Plot(text, _("The black line is the winner."), [(text, figures.learning_curves(curves, best))]))
    text, caption = _("Best accuracy so far"), _("Optuna maximises the last epoch's accuracy.")
    plots.append(_Plot(text, caption, [(text, figures.history(trials, shown))]))
    varied = [name for name in frames.names if shown[name].nunique() > 1]
    if varied:
        text = _("Accuracy by {parameter}")
        panels = [(text.format(parameter=label(name)), figures.by_parameter(shown, name, best)) for name in varied]
        plots.append(_Plot(_("Accuracy by each parameter"), _("The winner is ringed."), panels))
        text = _("Parallel coordinates")
        caption = _("Each line is a complete trial. Drag along an axis to select trials.")
        plots.append(_Plot(text, caption, [(text, figures.parallel_coordinates(shown, varied))]))
    if importances:
        text = _("Parameter importances")
        caption = _("By PED-ANOVA, with 95 % intervals over resampled trials.")
        plots.append(_Plot(text, caption, [(text, figures.importance_bars(importances))]))
    if priced := [price for price in figures.PRICES if shown[price].notna().any()]:
        text = _("Accuracy against training cost") if priced[0] == "cost" else _("Accuracy against training time")
        caption = _("The line is the Pareto front: no complete trial is both cheaper and better.")
        plots.append(_Plot(text, caption, [(text, figures.pareto_front(shown, priced[0]))]))
    return plots


def _headers(names: tuple[str, ...]) -> list[str]:
    return [_(HEADERS[name]) if name in HEADERS else label(name) for name in names]


def _height(plot: _Plot) -> int:
    return 450 if len(plot.figures) == 1 else 300


def _rows(frame: pd.DataFrame, columns: tuple[str, ...], digits: dict[str, str], place: str) -> list[dict[str, object]]:
    """Each row with its cells as text of fixed digits, and the run that it shows."""
    return [
        {"cells": [cell(row[name], digits.get(name, "")) for name in columns], "id": row["run_id"],
         "link": place + str(row["run_id"])}
        for row in frame.assign(state=frame["state"].map(_)).to_dict("records")
    ]  # fmt: skip


def cell(value: object, digits: str) -> str:
    """A value of a table with these digits (a format); a dash for a missing one."""
    return "–" if pd.isna(value) else format(value, digits)  # type: ignore[call-overload]
