"""The figures of claims: numbers to seaborn axes. Computes nothing but bands.

Bands are ± one standard deviation over seeds; thin lines and small dots are single seeds.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from analysis.rendering.language import columns
from analysis.rendering.style import PALETTE
from harness.core.language import _

WIDTH = 6.4  # inches of a panel: on a phone its text has the size of a caption
_LEGEND_ROW = 0.26
_SHORT_LABEL = 22  # letters: two columns of them fit
_FAINT = 0.25
_DASHES = ["-", "--", ":", "-."]


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
    plain_numbers(axes.yaxis, frame[y].min(), frame[y].max())
    if len(order) > 1:
        legend(axes)


def clouds(axes: Axes, frame: pd.DataFrame, x: str, y: str, hue: str) -> None:
    """One dot per seed on logarithmic axes, with a colour and marker per group. frame: x, y, hue."""
    order = list(dict.fromkeys(frame[hue]))
    sns.scatterplot(frame, x=x, y=y, hue=hue, hue_order=order, style=hue, style_order=order, s=90, ax=axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_numbers(axes.yaxis, frame[y].min(), frame[y].max())
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


def whole_epochs(axes: Axes) -> None:
    """Tick only whole numbers on the x axis."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def plain_numbers(axis: Axis, low: float, high: float) -> None:
    """Write 0.5 instead of 5 × 10⁻¹ on a logarithmic axis; on a short one mark 2 and 5 as well."""
    plain = FuncFormatter(lambda value, _position: f"{value:g}")
    axis.set_major_formatter(plain)
    if high / low < 100:
        axis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
        axis.set_minor_formatter(plain)
