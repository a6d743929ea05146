"""The picture of arms that are searches: what each had found, by trials and by training cost."""

import math
from collections.abc import Sequence

from analysis.evidence.claims import Evidence
from analysis.judging.searches import band, by_trial
from analysis.rendering import plots
from analysis.rendering.section import Picture
from harness.core.language import _

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def progress(evidence: Evidence, arms: Sequence[str]) -> Picture:
    """The best validation accuracy so far of these arms: mean and range over the seeds."""
    found = {}
    for arm in arms:
        runs = evidence.of([arm])
        found[evidence.claim.shown(arm)] = [
            by_trial(evidence, str(run)) for run in runs[runs["state"] == "complete"]["run_id"]
        ]
    figures, panels = plots.new_figures(2)
    plots.bands(panels[0], {arm: band(curves, "trials") for arm, curves in found.items() if curves}, "trials")
    panels[0].set(xlabel=_("trials"), title=_("By trials"))
    costs = {arm: band(curves, "cost") for arm, curves in found.items() if curves}
    power = int(math.log10(max((one["cost"].max() for curves in found.values() for one in curves), default=1.0)))
    plots.bands(panels[1], {arm: rows.assign(cost=rows["cost"] / 10**power) for arm, rows in costs.items()}, "cost")
    unit = f"10{str(power).translate(_SUPERSCRIPTS)}"
    panels[1].set(xlabel=_("examples × parameters, {unit}").format(unit=unit), title=_("By training cost"))
    for axes in panels:
        axes.set(ylabel=_("best validation accuracy"))
    plots.same_y(panels)
    caption = _(
        "The best validation accuracy so far, by trials and by training cost, which no machine changes: mean and range"
        " over the seeds."
    )
    return Picture(f"{evidence.claim.name}-best-so-far", caption, figures)
