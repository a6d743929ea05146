"""Forest plots: effects that share a unit, one below the other."""

import math
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.judging.verdicts import Verdict, bounds, shown
from analysis.rendering.formatting import condition, lost
from analysis.rendering.language import columns
from analysis.rendering.plots import WIDTH, new_figures, plain_numbers
from analysis.rendering.style import VERDICT_COLOURS
from harness.core.language import N_, _

_BAR_LINES, _AXIS_LINES = 1.7, 4.5  # lines of text that an interval takes, and the x axis
_LINE_SPACING = 1.35
_BAR = 2.0
_ON_WHITE: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.5}
_SMALL: dict[Any, float] = {
    "font.size": 8, "axes.labelsize": 8, "xtick.labelsize": 8, "lines.linewidth": 1.5, "lines.markersize": 5,
    "axes.linewidth": 0.6, "grid.linewidth": 0.5, "xtick.major.width": 0.6, "xtick.major.size": 2,
}  # fmt: skip
_PIECE = re.compile(  # a word, or one Chinese character, with the punctuation that belongs to it
    "[（“]*(?:[\u4e00-\u9fff]|[^\\s\u4e00-\u9fff（“，。；：、）”]+)[，。；：、）”]*\\s*|."
)
AXIS = {"×": N_("factor"), "(slope)": N_("slope"), "of all runs": N_("difference of shares"), "": N_("value")}


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
        plain_numbers(axes.xaxis, *axes.get_xlim())
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
