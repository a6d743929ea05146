"""Is the number of updates needed less certain the smaller the batch?"""

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.stats import deviation_interval
from analysis.judging.verdicts import Verdict
from analysis.rendering import plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.core.language import _

ESTIMANDS, ARMS = (), ("batch 8", "batch 4096")


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """The share of seeds that have reached the target by update, and the spread of that number by batch size."""
    primary = evidence.claim.primary
    assert primary is not None and primary.at is not None
    counts = {arm: measure(evidence, primary.measure, primary.at, arm) for arm in evidence.claim.arms}
    picture = _reached(evidence, counts, primary.at)
    return Section([picture, *effects("uncertain_updates", verdicts)], [_spreads(evidence, counts)], [])


def _reached(evidence: Evidence, counts: "dict[str, pd.Series[float]]", target: float) -> Picture:
    parts = [
        pd.DataFrame({"updates": counts[arm].to_numpy() / counts[arm].median(), "arm": evidence.claim.shown(arm)})
        for arm in evidence.claim.arm_names(["batch *"])
    ]
    figures, (axes,) = plots.new_figures()
    plots.reached(axes, pd.concat(parts, ignore_index=True), "updates", "arm")
    axes.set(xlabel=_("updates / their median"), title=_("To a loss of {target:g}").format(target=target))
    caption = _("The steeper a line, the surer the number of updates. Each is divided by the median of its batch size.")
    return Picture("uncertain_updates-reached", caption, figures)


def _spreads(evidence: Evidence, counts: "dict[str, pd.Series[float]]") -> Table:
    rows = []
    for arm, updates in counts.items():
        row = {
            _("arm"): evidence.claim.shown(arm),
            _("seeds"): len(updates),
            _("median updates"): f"{updates.median():g}",
        }
        spread = "–"
        if np.isfinite(updates).all():
            logs = np.log(updates)
            low, high = deviation_interval(logs.tolist())
            spread = f"{logs.std():.3f} [{low:.3f}, {high:.3f}]"
        rows.append(row | {_("spread of ln(updates) [95 %]"): spread})
    caption = _(
        "The standard deviation over seeds of the logarithm of the number of updates: 0.1 is about 10 per cent."
    )
    return Table(caption, pd.DataFrame(rows))
