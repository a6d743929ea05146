"""The figures of claims: numbers to seaborn axes. Computes nothing but bands.

Bands are ± one standard deviation over seeds; thin lines and small dots are single seeds.
"""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from analysis.judging.verdicts import Verdict, bounds, shown
from analysis.rendering.formatting import columns, condition, lost
from analysis.rendering.style import PALETTE
from harness.core.language import N_, _

VERDICT_COLOURS = {
    "reproduced": "#029e73",
    "direction only": "#de8f05",
    "not reproduced": "#cc3311",
    "inconclusive": "#949494",
}
WIDTH = 6.4  # inches of a panel: on a phone its text has the size of a caption
_LEGEND_ROW = 0.26
_SHORT_LABEL = 22  # letters: two columns of them fit
_FAINT = 0.25
_BAR_LINES, _AXIS_LINES = 1.7, 4.5  # lines of text that an interval takes, and the x axis
_LINE_SPACING = 1.35
_BAR = 2.0
_ON_WHITE: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.5}
_SMALL: dict[Any, float] = {
    "font.size": 8, "axes.labelsize": 8, "xtick.labelsize": 8, "lines.linewidth": 1.5, "lines.markersize": 5,
    "axes.linewidth": 0.6, "grid.linewidth": 0.5, "xtick.major.width": 0.6, "xtick.major.size": 2,
}  # fmt: skip
_DASHES = ["-", "--", ":", "-."]
_PIECE = re.compile(  # a word, or one Chinese character, with the punctuation that belongs to it
    "[（“]*(?:[\u4e00-\u9fff]|[^\\s\u4e00-\u9fff（“，。；：、）”]+)[，。；：、）”]*\\s*|."
)
AXIS = {"×": N_("factor"), "(slope)": N_("slope"), "of all runs": N_("difference of shares"), "": N_("value")}


def new_figures(count: int = 1, height: float = 4.8, width: float = WIDTH) -> tuple[list[Figure], list[Axes]]:
    """`count` figures of one panel each, and their axes. A page shows them side by side, or stacked where it is narrow.

    `width` and `height` are in inches.
    """
    figures = [Figure(figsize=(width, height), layout="constrained") for _ in range(count)]
    return figures, [figure.subplots() for figure in figures]


def same_y(panels: Sequence[Axes]) -> None:
    """Give panels that are drawn the same y axis."""
    lows, highs = zip(*(panel.get_ylim() for panel in panels), strict=True)
    for panel in panels:
        panel.set_ylim(min(lows), max(highs))


def legend(axes: Axes) -> None:
    """A legend below the panel, where it hides no data; the figure becomes higher by it."""
    figure, before = axes.get_figure(root=True), axes.get_legend()
    assert figure is not None
    handles, labels = axes.get_legend_handles_labels()
    rows, count = _legend_shape(labels)
    if before is not None and not before.get_frame_on():  # it is one of these, not seaborn's
        rows -= _legend_shape([text.get_text() for text in before.get_texts()])[0]
    axes.legend(
        handles, labels, title=None, fontsize="x-small", frameon=False, ncols=count, loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
    )  # fmt: skip
    figure.set_figheight(figure.get_figheight() + _LEGEND_ROW * rows)


def _legend_shape(labels: Sequence[str]) -> tuple[int, int]:
    """The rows and columns of a legend."""
    count = 2 if max(map(columns, labels), default=0) <= _SHORT_LABEL else 1
    return math.ceil(len(labels) / count), count


def palette(count: int) -> list[tuple[float, float, float]]:
    """`count` colours that colour-blind people can tell apart."""
    return list(sns.color_palette(PALETTE, count))


def curves(axes: Axes, frame: pd.DataFrame, x: str, y: str, hue_order: Sequence[str]) -> None:
    """One line per arm over `x`: mean and band over seeds, with each seed faint behind it. frame: arm, seed, x, y."""
    colours = dict(zip(hue_order, palette(len(hue_order)), strict=True))
    for (arm, _seed), run in frame.groupby(["arm", "seed"], sort=False):
        axes.plot(run[x], run[y], color=colours[str(arm)], alpha=_FAINT, linewidth=0.8)
    sns.lineplot(
        frame, x=x, y=y, hue="arm", hue_order=hue_order, palette=colours, style="arm", style_order=hue_order,
        errorbar="sd", dashes=True, linewidth=3, ax=axes,
    )  # fmt: skip
    legend(axes)


def bands(axes: Axes, groups: Mapping[str, pd.DataFrame], x: str) -> None:
    """The mean of each group over `x`, in steps, with its range behind it. groups: name → x, mean, least, greatest."""
    for (name, rows), colour, style in zip(groups.items(), palette(len(groups)), cycle(_DASHES), strict=False):
        axes.fill_between(
            rows[x], rows["least"], rows["greatest"], color=colour, alpha=_FAINT, linewidth=0, step="post"
        )
        axes.step(rows[x], rows["mean"], where="post", color=colour, linestyle=style, linewidth=3, label=name)
    legend(axes)


def by_size(axes: Axes, frame: pd.DataFrame, x: str, y: str, hue: str) -> None:
    """The mean over seeds against a size, on logarithmic axes, each seed a small dot. frame: x, y, hue, seed."""
    order = list(dict.fromkeys(frame[hue]))
    sns.scatterplot(frame, x=x, y=y, hue=hue, hue_order=order, style=hue, style_order=order, s=35, alpha=0.5,
                    legend=False, ax=axes)  # fmt: skip
    sns.lineplot(frame, x=x, y=y, hue=hue, hue_order=order, style=hue, style_order=order, markers=True,
                 dashes=True, errorbar=None, linewidth=3, markersize=10, legend=len(order) > 1, ax=axes)  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_numbers(axes.yaxis, frame[y].min(), frame[y].max())
    if len(order) > 1:
        legend(axes)


def clouds(axes: Axes, frame: pd.DataFrame, x: str, y: str, hue: str) -> None:
    """One dot per seed on logarithmic axes, with a colour and marker per group. frame: x, y, hue."""
    order = list(dict.fromkeys(frame[hue]))
    sns.scatterplot(frame, x=x, y=y, hue=hue, hue_order=order, style=hue, style_order=order, s=90, ax=axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_numbers(axes.yaxis, frame[y].min(), frame[y].max())
    legend(axes)


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
    axes.set(xscale="log", ylabel=_("share of seeds"), ylim=(-0.02, 1.02))
    axes.set_xlim(right=last / 1.3)
    legend(axes)


def slope_line(axes: Axes, x: Sequence[float], start: float, slope: float, label: str) -> None:
    """A dashed reference line y = start (x / x₀)^slope."""
    sizes = np.asarray(x, dtype=float)
    axes.plot(sizes, start * (sizes / sizes[0]) ** slope, color="black", linestyle="--", linewidth=2, label=label)
    legend(axes)


def forest(verdicts: Sequence[Verdict]) -> Figure:
    """Effects that share a unit, one below the other: interval, single seeds, and in green what was claimed."""
    return _forest(verdicts, WIDTH, points=11.5, letters=64, with_seeds=True)


def small_forest(verdicts: Sequence[Verdict]) -> Figure:
    """The same for a cell of a table, without the seeds."""
    with mpl.rc_context(_SMALL):
        return _forest(verdicts, 3.8, points=8, letters=62, with_seeds=False)


def _forest(verdicts: Sequence[Verdict], width: float, points: float, letters: int, with_seeds: bool) -> Figure:
    """Each row has its words, of at most `letters` a line, above its interval. The y axis is in lines of text."""
    texts = [
        _wrapped(
            _("{condition}: {finding}").format(condition=condition(verdict.estimand), finding=_(verdict.finding)),
            letters,
        )
        for verdict in verdicts
    ]
    reasons = [
        []
        if math.isfinite(verdict.result.estimate)
        else _wrapped(_("no number: {reason}").format(reason=lost(verdict)), letters)
        for verdict in verdicts
    ]
    bars = [max(_BAR_LINES, len(lines) + 0.5) for lines in reasons]
    heights = [len(lines) + bar for lines, bar in zip(texts, bars, strict=True)]
    line = points * _LINE_SPACING / 72  # inches
    (figure,), (axes,) = new_figures(1, line * (sum(heights) + _AXIS_LINES), width)
    is_ratio = verdicts[0].unit == "×"

    def write(lines: Sequence[str], middle: float, colour: str = "black") -> None:
        text = axes.text(0, middle, "\n".join(lines), fontsize=points, va="center", zorder=5, bbox=_ON_WHITE,
                         color=colour, transform=axes.get_yaxis_transform())  # fmt: skip
        text.set_in_layout(False)

    top = 0.0
    for verdict, lines, why, bar in zip(verdicts, texts, reasons, bars, strict=True):
        estimand, colour = verdict.estimand, VERDICT_COLOURS[verdict.label]
        position = top + len(lines) + bar / 2 - 0.2
        write(lines, top + len(lines) / 2)
        if with_seeds:
            seeds = [shown(estimand, value) for value in verdict.differences if math.isfinite(value)]
            axes.scatter(seeds, [position + 0.45] * len(seeds), s=14, color="#555555", alpha=0.6, zorder=2)
        if math.isfinite(verdict.result.low) or math.isfinite(verdict.result.high):
            _interval(axes, position, verdict, colour)
        if why:
            write(why, position, colour)
        else:
            axes.plot([verdict.effect], [position], "o", color=colour, zorder=4)
        limits = bounds(estimand)
        _claimed_span(axes, [shown(estimand, edge) for edge in (limits.low, limits.high)], position, is_ratio)
        top += len(lines) + bar
    axes.set_yticks([])
    axes.set_ylim(sum(heights), 0)
    axes.axvline(1 if is_ratio else 0, color="black", linewidth=1.5)
    if is_ratio:
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis, *axes.get_xlim())
    unit = verdicts[0].unit
    axes.set_xlabel(_(AXIS[unit]) if unit in AXIS else _("effect in {unit}").format(unit=_(unit)))
    return figure


def _wrapped(text: str, letters: int) -> list[str]:
    """Lines of at most `letters`; a Chinese character counts as two, and a line may end after it."""
    if columns(text) == len(text):
        return textwrap.wrap(text, letters)
    lines = [""]
    for piece in _PIECE.findall(text):
        if columns((lines[-1] + piece).rstrip()) > letters:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines if line.strip()]


def _interval(axes: Axes, position: float, verdict: Verdict, colour: str) -> None:
    """A bar from low to high; an arrow on a side that has no limit."""
    ends = [
        end
        for end, raw in ((verdict.low, verdict.result.low), (verdict.high, verdict.result.high))
        if math.isfinite(raw)
    ]
    ends += [verdict.effect] if len(ends) == 1 and math.isfinite(verdict.result.estimate) else []
    wide = _BAR * mpl.rcParams["lines.linewidth"]
    axes.plot([min(ends), max(ends)], [position, position], color=colour, linewidth=wide, zorder=3)
    arrow = 1.7 * mpl.rcParams["lines.markersize"]
    if math.isinf(verdict.result.high):
        axes.plot([max(ends)], [position], ">", color=colour, markersize=arrow, zorder=3)
    if math.isinf(verdict.result.low):
        axes.plot([min(ends)], [position], "<", color=colour, markersize=arrow, zorder=3)


def _claimed_span(axes: Axes, edges: Sequence[float], position: float, is_ratio: bool) -> None:
    low, high = edges
    finite_low = low if math.isfinite(low) and not (is_ratio and low <= 0) else None
    finite_high = high if math.isfinite(high) else None
    if finite_low is not None and finite_high is not None:
        axes.fill_betweenx([position - 0.7, position + 0.7], finite_low, finite_high, color="#029e73", alpha=0.15)
    else:
        edge = finite_low if finite_low is not None else finite_high
        assert edge is not None
        axes.plot([edge, edge], [position - 0.7, position + 0.7], color="#029e73", linewidth=2, linestyle=":")


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
