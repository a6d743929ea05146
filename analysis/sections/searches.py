"""The picture of arms that are searches: what each had found, by trials and by training cost."""

from collections.abc import Sequence

from analysis.evidence.claims import Evidence
from analysis.judging.searches import band, by_trial
from analysis.rendering import plots
from analysis.rendering.section import Picture

_ALONG = {"trials": "trials", "cost": "training cost (examples × parameters)"}


def progress(evidence: Evidence, arms: Sequence[str]) -> Picture:
    """The best validation accuracy so far of these arms: mean and range over the seeds."""
    found = {}
    for arm in arms:
        runs = evidence.of([arm])
        found[arm] = [by_trial(evidence, str(run)) for run in runs[runs["state"] == "complete"]["run_id"]]
    figures, panels = plots.new_figures(2)
    for axes, (along, words) in zip(panels, _ALONG.items(), strict=True):
        plots.bands(axes, {arm: band(curves, along) for arm, curves in found.items() if curves}, along)
        axes.set(xlabel=words, ylabel="best validation accuracy", title=f"By {along}")
    plots.same_y(panels)
    caption = (
        "The best validation accuracy so far, by trials and by training cost, which no machine changes: mean and range"
        " over the seeds."
    )
    return Picture(f"{evidence.claim.name}-best-so-far", caption, figures)
