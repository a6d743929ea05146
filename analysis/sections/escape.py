"""Does mini-batch noise leave local minima?"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.stats import deviation_interval, share_interval
from analysis.judging.verdicts import Verdict
from analysis.rendering import plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.core.language import N_, _

_TOY = N_(
    "This is a toy: one dimension, a stated function, forces chosen by hand. It shows what noise can do, and proves"
    " nothing about networks."
)
ESTIMANDS, ARMS = (), ("toy, batch 1", "toy, batch 64", "network, batch 32")


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """The function, the share of runs in the global basin by batch size, and the network's spread of final loss."""
    shares = _shares(evidence)
    return Section([_picture(evidence, shares), *effects("escape", verdicts)], [_table(shares), _spread(evidence)],
                   [_(_TOY)])  # fmt: skip


def _shares(evidence: Evidence) -> pd.DataFrame:
    rows = []
    for arm in evidence.claim.arm_names(["toy, *"]):
        ended = measure(evidence, "global_basin", None, arm)
        low, high = share_interval(int(ended.sum()), len(ended))
        size = int(evidence.of([arm])["batch_size"].iloc[0])
        rows.append({"batch": size, "n": len(ended), "share": ended.mean(), "low": low, "high": high})
    return pd.DataFrame(rows)


def _picture(evidence: Evidence, shares: pd.DataFrame) -> Picture:
    figures, axes = plots.new_figures(2)
    arms = evidence.claim.arm_names(["toy, *"])
    ends = {
        arm: np.array([evidence.curve(run_id, "position").iloc[-1] for run_id in evidence.of([arm])["run_id"]])
        for arm in arms
    }
    everywhere = np.concatenate(list(ends.values()))
    w = np.linspace(min(-1.6, everywhere.min()), max(1.5, everywhere.max()), 200)
    axes[0].plot(w, _height(w), color="#9aa3b0", linewidth=3)
    axes[0].annotate(
        _("start"), (0.9, -0.1), (0.9, 0.25), arrowprops={"arrowstyle": "->", "color": "black"}, ha="center"
    )
    axes[0].set(xlabel="w", ylabel="f(w)", title="w⁴/4 − w²/2 + 0.15 w")
    for arm, colour, marker in zip(arms, plots.palette(len(arms)), "os^Dv" * len(arms), strict=False):
        axes[0].plot(ends[arm], _height(ends[arm]), marker, color=colour, alpha=0.6, markersize=8,
                     label=evidence.claim.shown(arm))  # fmt: skip
    plots.legend(axes[0])
    errors = [shares["share"] - shares["low"], shares["high"] - shares["share"]]
    positions = range(len(shares))
    axes[1].errorbar(positions, shares["share"], yerr=errors, fmt="o", markersize=11, linewidth=3, capsize=6)
    axes[1].set_xticks(list(positions), [f"{size}" for size in shares["batch"]])
    axes[1].set(
        xlabel=_("batch size (64: all)"),
        ylabel=_("share in the global basin"),
        title=_("Where runs end"),
        ylim=(-0.05, 1.05),
    )
    return Picture("escape-shares", _("Dots on the curve: where runs ended. Bars: 95 % Wilson intervals."), figures)


def _height(w: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    height: np.ndarray[Any, Any] = w**4 / 4 - w**2 / 2 + 0.15 * w
    return height


def _table(shares: pd.DataFrame) -> Table:
    frame = pd.DataFrame(
        {
            _("batch size"): shares["batch"],
            _("in the global basin"): [
                _("{count} of {n}").format(count=f"{share * n:.0f}", n=n)
                for share, n in zip(shares["share"], shares["n"], strict=True)
            ],
            _("95 % Wilson interval"): [
                _("{low:.0%} to {high:.0%}").format(low=low, high=high)
                for low, high in zip(shares["low"], shares["high"], strict=True)
            ],
        }
    )
    return Table(_("The two-basin function."), frame)


def _spread(evidence: Evidence) -> Table:
    rows = []
    for arm in evidence.claim.arm_names(["network, *"]):
        losses = measure(evidence, "probe_loss", None, arm)
        rows.append(
            {
                _("arm"): evidence.claim.shown(arm),
                _("updates"): int(evidence.curve(evidence.of([arm])["run_id"].iloc[0], "epoch_updates").sum()),
                _("final loss, mean"): f"{losses.mean():.4f}",
                _("deviation over seeds [95 %]"): _deviation(losses),
            }
        )
    caption = _(
        "The lesson's network, by contrast, after equally many updates: the final training loss, and its deviation over"
        " seeds. Seeds differ in their initial weights too, so that not all of it is noise of batches."
    )
    return Table(caption, pd.DataFrame(rows))


def _deviation(losses: "pd.Series[float]") -> str:
    if not np.all(np.isfinite(losses)):
        return "–"
    low, high = deviation_interval(losses.tolist())
    return f"{losses.std():.4f} [{low:.4f}, {high:.4f}]"
