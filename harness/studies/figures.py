"""The figures of a study's page, by plotly. Computes nothing but the best so far and the Pareto front."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from harness.core.language import N_, _
from harness.core.network import label
from harness.studies.importances import Importance

STATES = {
    N_("complete"): "#0173b2",
    N_("pruned"): "#de8f05",
    N_("did not learn"): "#a8743f",
    N_("diverged"): "#cc3311",
    N_("failed"): "#6b6b6b",
}
_ACCURACY = N_("validation accuracy")
_LOGARITHMIC = {"lr": 10, "batch_size": 2, "hidden": 2}
PRICES = {
    "cost": N_("training cost (training examples × parameters)"),
    "seconds": N_("training time (s, without validation)"),
}
_MOST_TICKS = 8
_GAP = (None, None, None)  # between two lines of one trace
_MARGIN = {"l": 60, "r": 20, "t": 30, "b": 50}
_BEST = {"symbol": "circle-open", "size": 16, "color": "black", "line": {"width": 2.5}}


def learning_curves(epochs: pd.DataFrame, best: int) -> go.Figure:
    """Validation accuracy by epoch, one line per trial; that of the best is thick. epochs: trial, state, epoch,
    val_accuracy.
    """
    hover = _("trial %{text}, epoch %{x}: %{y:.4f}")
    figure = new_figure(_("epoch"), _(_ACCURACY))
    for state, colour in STATES.items():
        points: list[tuple[object, ...]] = []
        for trial, curve in epochs[epochs["state"] == state].groupby("trial"):
            own = [trial] * len(curve)
            points += [*zip(curve["epoch"].tolist(), curve["val_accuracy"].round(4).tolist(), own, strict=True), _GAP]
        if points:
            x, y, names = zip(*points, strict=True)
            figure.add_scatter(
                x=x, y=y, text=names, mode="lines+markers", line={"color": colour, "width": 1.2}, marker={"size": 4},
                opacity=0.7, name=_(state), hovertemplate=f"{hover}<extra></extra>",
            )  # fmt: skip
    curve = epochs[epochs["trial"] == best]
    figure.add_scatter(
        x=curve["epoch"].tolist(), y=curve["val_accuracy"].round(4).tolist(), mode="lines",
        name=_("best: trial {trial}").format(trial=best), line={"color": "black", "width": 4}, hoverinfo="skip",
    )  # fmt: skip
    return figure.update_xaxes(tickformat="d")


def history(trials: pd.DataFrame, shown: pd.DataFrame) -> go.Figure:
    """The accuracy of the `shown` trials by their number, and the best complete one so far of all trials."""
    figure = new_figure(_("trial"), _(_ACCURACY))
    _add_points(figure, shown, "trial")
    complete = trials[trials["is_complete"]].sort_values("trial")
    best = complete["val_accuracy"].cummax()
    steps = complete[best.ne(best.shift())]
    figure.add_scatter(
        x=[*steps["trial"], trials["trial"].max()], y=[*steps["val_accuracy"].round(4), round(best.max(), 4)],
        mode="lines", line={"color": "black", "shape": "hv", "width": 2}, name=_("best so far"), hoverinfo="skip",
    )  # fmt: skip
    return figure


def by_parameter(trials: pd.DataFrame, name: str, best: int) -> go.Figure:
    """Validation accuracy of the last epoch against one hyperparameter; the best trial is ringed."""
    figure = new_figure(label(name), _(_ACCURACY))
    _add_points(figure, trials, name)
    winner = trials[trials["trial"] == best]
    figure.add_scatter(
        x=winner[name].tolist(), y=winner["val_accuracy"].tolist(), mode="markers", marker=_BEST, name=_("best"),
        hoverinfo="skip",
    )  # fmt: skip
    if name in _LOGARITHMIC:
        spread = trials[name].max() / trials[name].min()
        figure.update_xaxes(type="log", dtick="D2" if spread >= 10 else None)
    if _LOGARITHMIC.get(name) == 2 and len(sizes := sorted(trials[name].unique().tolist())) <= _MOST_TICKS:
        figure.update_xaxes(tickvals=sizes, ticktext=[f"{size:g}" for size in sizes])
    if name == "epochs":
        figure.update_xaxes(tickformat="d")
    return figure.update_layout(showlegend=False)


def parallel_coordinates(trials: pd.DataFrame, names: Sequence[str]) -> go.Figure:
    """Each line is a complete trial through its hyperparameters `names` to its accuracy. Dragging an axis filters."""
    complete = trials[trials["is_complete"]]
    dimensions = [_dimension(complete[name], label(name)) for name in names if complete[name].nunique() > 1]
    accuracy = complete["val_accuracy"].round(4).tolist()
    dimensions.append({"label": _(_ACCURACY), "values": accuracy})
    lines = {"color": accuracy, "colorscale": "Viridis", "showscale": True, "colorbar": {"title": {"text": ""}}}
    figure = go.Figure(layout={"margin": {"l": 60, "r": 50, "t": 60, "b": 30}})
    return figure.add_parcoords(dimensions=dimensions, line=lines, labelfont={"size": 13}, tickfont={"size": 11})


def importance_bars(importances: Mapping[str, Importance]) -> go.Figure:
    """The share of each parameter with its interval, the largest on top."""
    names = [label(name) for name in importances][::-1]
    shares, lows, highs = zip(*list(importances.values())[::-1], strict=True)
    error = {
        "type": "data",
        "symmetric": False,
        "array": [high - share for share, high in zip(shares, highs, strict=True)],
        "arrayminus": [share - low for share, low in zip(shares, lows, strict=True)],
    }
    figure = new_figure(_("share of the importance"), "")
    figure.add_bar(x=shares, y=names, orientation="h", error_x=error, marker={"color": STATES["complete"]})
    return figure.update_xaxes(range=[0, 1.02]).update_yaxes(ticksuffix="  ")


def pareto_front(trials: pd.DataFrame, price: str) -> go.Figure:
    """Accuracy against `price`; the line joins the complete trials that no other one beats in both.

    `price`: "cost" (examples × parameters) or "seconds".
    """
    figure = new_figure(_(PRICES[price]), _(_ACCURACY))
    priced = trials.dropna(subset=[price, "val_accuracy"])
    _add_points(figure, priced, price)
    front = front_of(priced, price)
    figure.add_scatter(
        x=front[price].round(3).tolist(), y=front["val_accuracy"].round(4).tolist(), mode="lines+markers",
        line={"color": "black", "shape": "hv", "width": 2}, name=_("Pareto front"),
        marker={"symbol": "diamond", "size": 9}, hoverinfo="skip",
    )  # fmt: skip
    return figure.update_xaxes(exponentformat="power")


def front_of(trials: pd.DataFrame, price: str) -> pd.DataFrame:
    """The complete trials that no other complete one beats in price and accuracy, the cheapest first."""
    complete = trials[trials["is_complete"]].sort_values([price, "val_accuracy"], ascending=[True, False])
    before = complete["val_accuracy"].cummax().shift(fill_value=float("-inf"))
    return complete[complete["val_accuracy"] > before]


def new_figure(x: str, y: str) -> go.Figure:
    """An empty figure with these titles on its axes, its legend above it."""
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    figure = go.Figure(layout={"margin": _MARGIN, "legend": legend, "font": {"size": 13}, "hovermode": "closest"})
    return figure.update_xaxes(title=x, automargin=True).update_yaxes(title=y, automargin=True)


def _add_points(figure: go.Figure, trials: pd.DataFrame, x: str) -> None:
    """A dot per trial that has an accuracy, coloured by its state."""
    scored = trials.dropna(subset="val_accuracy")
    hover = _("trial %{text}: %{y:.4f}")
    for state, colour in STATES.items():
        points = scored[scored["state"] == state]
        if len(points):
            figure.add_scatter(
                x=points[x].tolist(), y=points["val_accuracy"].round(4).tolist(), text=points["trial"].tolist(),
                mode="markers", name=_(state), marker={"color": colour, "size": 8, "opacity": 0.8},
                hovertemplate=f"{hover}<extra></extra>",
            )  # fmt: skip


def _dimension(values: "pd.Series[Any]", name: str) -> dict[str, Any]:
    if values.dtype == object or pd.api.types.is_string_dtype(values):
        names = sorted(values.unique(), key=str)
        ticks = {"tickvals": list(range(len(names))), "ticktext": list(map(str, names))}
        return {"label": name, "values": [names.index(value) for value in values], **ticks}
    base = _LOGARITHMIC.get(name)
    if base is None:
        return {"label": name, "values": values.round(6).tolist()}
    low, high = (math.log(end, base) for end in (values.min(), values.max()))
    powers = list(range(math.ceil(low), math.floor(high) + 1))
    marks = powers if len(powers) > 1 else [low, high]
    ticks = {"tickvals": marks, "ticktext": [f"{base**mark:.4g}" for mark in marks]}
    return {"label": name, "values": [round(math.log(value, base), 5) for value in values], **ticks}
