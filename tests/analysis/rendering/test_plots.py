"""What a forest shows, from typed-in verdicts. A warning of matplotlib, as of axes without room, fails a test."""

import io
import math

import pytest
from support.verdict_example import verdict

from analysis.judging.verdicts import Lost
from analysis.rendering import plots
from analysis.rendering.forest import forest, small_forest


def drawn(figure):
    """The axes of a figure once it is laid out, and the width of its axes as a share of the figure."""
    figure.savefig(io.BytesIO(), format="svg")
    (axes,) = figure.axes
    return axes, axes.get_position().width


@pytest.mark.parametrize("draw", [forest, small_forest])
def test_a_long_reason_why_there_is_no_number_takes_no_room_from_the_axis(draw):
    lost = Lost(3, 7, 12_345, 0)
    none = verdict(
        "undecided", math.nan, "with a very long condition " * 4, lost=lost, at=0.35, measure="updates_to_loss"
    )
    axes, width = drawn(draw([verdict(), none]))
    assert width > 0.8
    texts = [text.get_text().replace("\n", " ") for text in axes.texts]
    assert texts[0] == "e: as claimed" and texts[1].startswith("with a very long") and texts[1].endswith(": undecided")
    assert texts[2].startswith("no number: 3 of 10 pairs hold a run that diverged and 7 of 10") and "12,345" in texts[2]
    assert all(len(line) <= 64 for text in axes.texts for line in text.get_text().splitlines())


def test_an_interval_without_a_limit_has_an_arrow_larger_than_the_dot_of_its_estimate():
    wide = verdict("of uncertain size", 2.0)
    wide = wide._replace(high=math.inf, result=wide.result._replace(high=math.inf))
    axes, _ = drawn(small_forest([wide]))
    sizes = {line.get_marker(): line.get_markersize() for line in axes.lines if line.get_marker() in (">", "o")}
    assert sizes[">"] > 1.5 * sizes["o"]


def test_panels_that_are_compared_share_the_ends_of_their_axis():
    _, (left, right) = plots.new_figures(2)
    left.plot([0, 1], [0, 5])
    right.plot([0, 1], [-2, 1])
    plots.same_y([left, right])
    assert left.get_ylim() == right.get_ylim() and left.get_ylim()[0] < -1.9 and left.get_ylim()[1] > 4.9


def test_a_legend_stands_below_its_panel_and_counts_once():
    (figure,), (axes,) = plots.new_figures()
    for name in ("one", "two", "three"):
        axes.plot([0, 1], label=name)
    before = figure.get_figheight()
    plots.legend(axes)
    once = figure.get_figheight()
    plots.legend(axes)
    assert figure.get_figheight() == once > before
    figure.savefig(io.BytesIO())
    assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0
