"""The figures of claims: numbers to seaborn axes. Computes nothing but bands.

Bands are ± one standard deviation over seeds; thin lines and small dots are single seeds.
"""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from analysis.judging.verdicts import Verdict, bounds, shown
from analysis.rendering.formatting import condition, lost
from analysis.rendering.style import PALETTE

VERDICT_COLOURS = {
    "reproduced": "#029e73",
    "direction only": "#de8f05",
    "not reproduced": "#cc3311",
    "inconclusive": "#949494",
}
_FAINT = 0.25
_LABEL_WIDTH = 34
_DASHES = ["-", "--", ":", "-."]
AXIS = {"×": "factor", "(slope)": "slope", "of all runs": "difference of shares", "": "value"}


def new_figure(
    width: float, height: float, columns: int = 1, rows: int = 1, same_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with its axes from left to right, row after row, on one scale with `same_y`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False, sharey=same_y).flat)


def palette(count: int) -> list[tuple[float, float, float]]:
    """`count` colours that colour-blind people can tell apart."""
    return list(sns.color_palette(PALETTE, count))


def curves(axes: Axes, frame: pd.DataFrame, x: str, y: str, hue_order: Sequence[str]) -> None:
    """One line per arm over `x`: mean and band over seeds, with each seed faint behind it. frame: arm, seed, x, y."""
    colours = dict(zip(hue_order, palette(len(hue_order)), strict=True))
    for (arm, _), run in frame.groupby(["arm", "seed"], sort=False):
        axes.plot(run[x], run[y], color=colours[str(arm)], alpha=_FAINT, linewidth=0.8)
    sns.lineplot(
        frame, x=x, y=y, hue="arm", hue_order=hue_order, palette=colours, style="arm", style_order=hue_order,
        errorbar="sd", dashes=True, linewidth=3, ax=axes,
    )  # fmt: skip
    axes.legend(title=None, fontsize="x-small")


def by_size(axes: Axes, frame: pd.DataFrame, x: str, y: str, hue: str) -> None:
    """The mean over seeds against a size, on logarithmic axes, each seed a small dot. frame: x, y, hue, seed."""
    order = list(dict.fromkeys(frame[hue]))
    sns.scatterplot(frame, x=x, y=y, hue=hue, hue_order=order, style=hue, style_order=order, s=35, alpha=0.5,
                    legend=False, ax=axes)  # fmt: skip
    sns.lineplot(frame, x=x, y=y, hue=hue, hue_order=order, style=hue, style_order=order, markers=True,
                 dashes=True, errorbar=None, linewidth=3, markersize=10, ax=axes)  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_numbers(axes.yaxis, frame[y].min(), frame[y].max())
    axes.legend(title=None, fontsize="x-small")


def clouds(axes: Axes, frame: pd.DataFrame, x: str, y: str, hue: str) -> None:
    """One dot per seed on logarithmic axes, with a colour and marker per group. frame: x, y, hue."""
    order = list(dict.fromkeys(frame[hue]))
    sns.scatterplot(frame, x=x, y=y, hue=hue, hue_order=order, style=hue, style_order=order, s=90, ax=axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_numbers(axes.yaxis, frame[y].min(), frame[y].max())
    axes.legend(title=None, fontsize="x-small")


def reached(axes: Axes, frame: pd.DataFrame, x: str, hue: str) -> None:
    """The share of seeds that have reached the target by x, on a logarithmic axis. frame: x, hue.

    A run that never reaches it (∞) counts among the seeds of its line, which then ends below 1.
    """
    order = list(dict.fromkeys(frame[hue]))
    last = frame.loc[np.isfinite(frame[x]), x].max() * 2
    shown = frame.assign(**{x: frame[x].clip(upper=last)})
    lines = dict(zip(order, palette(len(order)), strict=True))
    for style, name in zip(_DASHES * len(order), order, strict=False):
        sns.ecdfplot(
            shown[shown[hue] == name], x=x, color=lines[name], linestyle=style, linewidth=3, label=name, ax=axes
        )
    axes.set(xscale="log", ylabel="share of seeds", ylim=(-0.02, 1.02))
    axes.set_xlim(right=last / 1.3)
    axes.legend(title=None, fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))


def slope_line(axes: Axes, x: Sequence[float], start: float, slope: float, label: str) -> None:
    """A dashed reference line y = start (x / x₀)^slope."""
    sizes = np.asarray(x, dtype=float)
    axes.plot(sizes, start * (sizes / sizes[0]) ** slope, color="black", linestyle="--", linewidth=2, label=label)
    axes.legend(title=None, fontsize="x-small")


def forest(verdicts: Sequence[Verdict], title: str) -> Figure:
    """Effects that share a unit, one below the other: interval, single seeds, and in green what was claimed."""
    figure, (axes,) = new_figure(12, 1.6 + 0.95 * len(verdicts))
    is_ratio = verdicts[0].unit == "×"
    for position, verdict in enumerate(verdicts):
        estimand, colour = verdict.estimand, VERDICT_COLOURS[verdict.label]
        limits = bounds(estimand)
        seeds = [shown(estimand, value) for value in verdict.differences if math.isfinite(value)]
        axes.scatter(seeds, [position + 0.18] * len(seeds), s=18, color="#555555", alpha=0.6, zorder=2)
        estimate, low, high = verdict.result.estimate, verdict.result.low, verdict.result.high
        if math.isfinite(low) or math.isfinite(high):
            _interval(axes, position, verdict, colour)
        if math.isfinite(estimate):
            axes.plot([verdict.effect], [position], "o", color=colour, markersize=11, zorder=4)
        else:
            axes.text(0.99, position, lost(verdict), color=colour, fontsize="x-small", ha="right", va="center",
                      backgroundcolor="white", transform=axes.get_yaxis_transform())  # fmt: skip
        edges = [shown(estimand, edge) for edge in (limits.low, limits.high)]
        _claimed_span(axes, edges, position, is_ratio)
    axes.set_yticks(range(len(verdicts)), [_label(verdict) for verdict in verdicts])
    axes.set_ylim(len(verdicts) - 0.5, -0.5)
    axes.axvline(1 if is_ratio else 0, color="black", linewidth=1.5)
    if is_ratio:
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis, *axes.get_xlim())
    axes.set(title=title, xlabel=AXIS.get(verdicts[0].unit, f"effect in {verdicts[0].unit}"))
    axes.tick_params(axis="y", labelsize="x-small")
    return figure


def _label(verdict: Verdict) -> str:
    return f"{textwrap.fill(condition(verdict.estimand), _LABEL_WIDTH)}\n({verdict.label})"


def _interval(axes: Axes, position: int, verdict: Verdict, colour: str) -> None:
    """A bar from low to high; an arrow on a side that has no limit."""
    ends = [
        end
        for end, raw in ((verdict.low, verdict.result.low), (verdict.high, verdict.result.high))
        if math.isfinite(raw)
    ]
    ends += [verdict.effect] if len(ends) == 1 and math.isfinite(verdict.result.estimate) else []
    axes.plot([min(ends), max(ends)], [position, position], color=colour, linewidth=5, zorder=3)
    if math.isinf(verdict.result.high):
        axes.plot([max(ends)], [position], ">", color=colour, markersize=15, zorder=3)
    if math.isinf(verdict.result.low):
        axes.plot([min(ends)], [position], "<", color=colour, markersize=15, zorder=3)


def _claimed_span(axes: Axes, edges: Sequence[float], position: int, is_ratio: bool) -> None:
    low, high = edges
    finite_low = low if math.isfinite(low) and not (is_ratio and low <= 0) else None
    finite_high = high if math.isfinite(high) else None
    if finite_low is not None and finite_high is not None:
        axes.fill_betweenx([position - 0.4, position + 0.4], finite_low, finite_high, color="#029e73", alpha=0.15)
    else:
        edge = finite_low if finite_low is not None else finite_high
        assert edge is not None
        axes.plot([edge, edge], [position - 0.4, position + 0.4], color="#029e73", linewidth=2, linestyle=":")


def whole_epochs(axes: Axes) -> None:
    """Tick only whole numbers on the x axis."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _plain_numbers(axis: Axis, low: float, high: float) -> None:
    """Write 0.5 instead of 5 × 10⁻¹ on a logarithmic axis; on a short one mark 2 and 5 as well."""
    plain = FuncFormatter(lambda value, _position: f"{value:g}")
    axis.set_major_formatter(plain)
    if high / low < 100:
        axis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
        axis.set_minor_formatter(plain)
