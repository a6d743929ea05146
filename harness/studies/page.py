"""The interactive page of a study: its result, Optuna's plots, and accuracy against training time. One file, no
network."""

from html import escape

import plotly.graph_objects as go
from optuna.visualization import plot_optimization_history, plot_parallel_coordinate, plot_slice

from harness.cli.console import format_params
from harness.core.interactive import figure_html, library_html
from harness.studies.study import Study
from harness.studies.summary import Summary, accuracy_text, confirmed_lines, gain_line, warnings

_STATE_COLOUR = {"complete": "#0072B2", "pruned": "#E69F00"}


def study_page(study: Study, summary: Summary) -> str:
    """HTML with the plots that the study's trials allow. It needs at least one complete trial."""
    bars = [importance_bars(summary)] if summary.importances else []
    figures = [_history(study), *bars, _parallel(study), _slice(study), accuracy_against_seconds(summary)]
    parts = [*map(figure_html, figures), library_html()]
    head = '<!doctype html><meta charset="utf-8"><title>study</title><body style="font-family: sans-serif">'
    return "\n".join([head, result_table(summary), *parts])


def result_table(summary: Summary) -> str:
    """The result in words, as an HTML table, and the warnings."""
    rows = {
        "best config": f"trial {summary.best.number}: {format_params(summary.best.params)}",
        "confirmed": "\n".join(confirmed_lines(summary.final.candidates)) or "no",
        "test accuracy": accuracy_text(summary),
        "gain": gain_line(summary),
        "warnings": "\n".join(warnings(summary)) or "none",
    }
    cells = [
        f'<tr><th align="left" valign="top">{name}</th><td>{escape(text)}</td></tr>' for name, text in rows.items()
    ]
    return '<table cellpadding="4" style="white-space: pre-line">' + "".join(cells) + "</table>"


def accuracy_against_seconds(summary: Summary) -> go.Figure:
    """Validation accuracy of each trial's last epoch against the seconds it trained."""
    figure = go.Figure(layout={"title": "Validation accuracy after the last epoch, against training time"})
    for state, colour in _STATE_COLOUR.items():
        points = [
            (outcome.seconds, outcome.accuracies[-1], f"trial {trial.number}: {format_params(trial.params)}")
            for trial in summary.trials
            if (outcome := trial.outcome) and outcome.state == state and outcome.accuracies and outcome.same_as is None
        ]
        seconds, accuracies, names = zip(*points, strict=True) if points else ((), (), ())
        figure.add_scatter(
            x=seconds, y=accuracies, text=names, mode="markers", name=state, marker={"color": colour, "size": 9}
        )
    figure.update_xaxes(title="training time (s, without validation)")
    figure.update_yaxes(title="validation accuracy")
    return figure


def importance_bars(summary: Summary) -> go.Figure:
    """The share of each parameter with its interval."""
    names = list(summary.importances)[::-1]  # the largest on top
    shares, lows, highs = zip(*(summary.importances[name] for name in names), strict=True)
    error = {
        "type": "data",
        "symmetric": False,
        "array": [high - share for share, high in zip(shares, highs, strict=True)],
        "arrayminus": [share - low for share, low in zip(shares, lows, strict=True)],
    }
    figure = go.Figure(layout={"title": "Parameter importances (PED-ANOVA), 95 % intervals over resampled trials"})
    figure.add_bar(x=shares, y=names, orientation="h", error_x=error)
    return figure.update_xaxes(title="share of the importance", range=[0, 1])


def _history(study: Study) -> go.Figure:
    figure = plot_optimization_history(study.optuna, target_name="validation accuracy")
    return figure.update_layout(title="Optimisation history")


def _parallel(study: Study) -> go.Figure:
    figure = plot_parallel_coordinate(study.optuna, target_name="validation accuracy")
    return figure.update_layout(title="Parallel coordinates: each line is a complete trial")


def _slice(study: Study) -> go.Figure:
    figure = plot_slice(study.optuna, target_name="validation accuracy")
    # Optuna sets a fixed width, which MLflow's frame would cut off.
    return figure.update_layout(title="Slice: validation accuracy by each parameter", width=None)
