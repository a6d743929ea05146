"""The figures of a page that compares searches, by Plotly. Computes nothing."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from harness.core.network import label
from harness.studies.figures import new_figure
from harness.studies.importances import Importance

# seaborn's "colorblind" palette.
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9")
AXES = {"trials": "trials", "cost": "training cost (training examples × parameters)"}
_FAINT = 0.18


def progress(groups: Mapping[str, pd.DataFrame], along: str) -> go.Figure:
    """The best accuracy so far along "trials" or "cost", a line for each group with the range of its studies.

    groups: name → `analysis.judging.searches.band`.
    """
    figure = new_figure(AXES[along], "best validation accuracy so far")
    for name, colour in zip(groups, _colours(len(groups)), strict=True):
        rows = groups[name]
        x = rows[along].tolist()
        if not rows["least"].equals(rows["greatest"]):
            edge = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip", "showlegend": False}
            figure.add_scatter(x=x, y=rows["least"].tolist(), **edge)
            figure.add_scatter(
                x=x, y=rows["greatest"].tolist(), fill="tonexty", fillcolor=_faint(colour), **edge, legendgroup=name
            )
        figure.add_scatter(
            x=x, y=rows["mean"].round(5).tolist(), mode="lines", name=name, legendgroup=name,
            line={"color": colour, "shape": "hv", "width": 2.5},
            hovertemplate=f"{name}, %{{x}}: %{{y:.4f}}<extra></extra>",
        )  # fmt: skip
    return figure.update_xaxes(exponentformat="power")


def importances(studies: Mapping[str, Mapping[str, Importance]]) -> go.Figure:
    """The importance of each parameter, a bar for each study side by side. studies: name → parameter → importance."""
    figure = new_figure("", "share of the importance")
    names = list(dict.fromkeys(name for shares in studies.values() for name in shares))
    for (study, shares), colour in zip(studies.items(), _colours(len(studies)), strict=True):
        figure.add_bar(
            x=[label(name) for name in names], y=[shares[name].share if name in shares else 0.0 for name in names],
            name=study, marker={"color": colour},
        )  # fmt: skip
    return figure.update_layout(barmode="group", showlegend=True)


def _colours(count: int) -> Sequence[str]:
    return [COLOURS[position % len(COLOURS)] for position in range(count)]


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_FAINT})"
