"""Does a full batch bear larger steps?"""

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.verdicts import Verdict
from analysis.rendering import plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.claims.estimands import Estimand
from harness.core.language import _

_SIZES = (8, 32, 128, 1024, 60000)
ESTIMANDS, ARMS = (), ("batch 32, lr 1.0", "batch 60000, lr 1.0", "small lr, batch 1", "small lr, batch 4096")


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """The share of runs that survive each lr, the largest lr by batch size, and the cosine of successive gradients."""
    primary = evidence.claim.primary
    assert primary is not None and primary.below is not None and primary.at is not None
    frame = pd.concat([_survival(evidence, primary, size) for size in _SIZES], ignore_index=True)
    pictures = [_shares(frame, primary), _cosines(evidence), *effects("larger_steps", verdicts)]
    return Section(pictures, [_largest(frame)], [])


def _survival(evidence: Evidence, primary: Estimand, size: int) -> pd.DataFrame:
    assert primary.below is not None
    parts = []
    for arm in evidence.claim.arm_names([f"batch {size}, lr *"]):
        losses = measure(evidence, primary.measure, primary.at, arm)
        lr = float(evidence.of([arm])["lr"].iloc[0])
        survived = losses.to_numpy() < primary.below
        parts.append(pd.DataFrame({"lr": lr, "seed": losses.index, "survived": survived, "size": size}))
    return pd.concat(parts, ignore_index=True)


def _shares(frame: pd.DataFrame, primary: Estimand) -> Picture:
    figures, (axes,) = plots.new_figures()
    for size, colour, marker in zip(_SIZES, plots.palette(len(_SIZES)), "os^Dv", strict=True):
        shares = frame[frame["size"] == size].groupby("lr")["survived"].mean()
        axes.plot(shares.index, shares, marker=marker, color=colour, linewidth=2.5, markersize=9,
                  label=_("batch {size:,}").format(size=size))  # fmt: skip
    axes.set(
        xlabel="lr", ylabel=_("share of runs that survive"), title=_("Which steps are too large"), ylim=(-0.05, 1.05)
    )
    axes.set_xscale("log")
    plots.legend(axes)
    caption = _(
        "The share of seeds whose loss on fixed images is below {below:g} nats after {updates:g} updates."
    ).format(below=primary.below, updates=primary.at)
    return Picture("larger_steps-shares", caption, figures)


def _cosines(evidence: Evidence) -> Picture:
    parts = []
    for arm in evidence.claim.arm_names(["small lr, batch *"]):
        cosines = measure(evidence, "gradient_cosine", None, arm)
        size = int(evidence.of([arm])["batch_size"].iloc[0])
        parts.append(pd.DataFrame({"size": size, "cosine": cosines.to_numpy(), "seed": cosines.index}))
    frame = pd.concat(parts, ignore_index=True)
    figures, (axes,) = plots.new_figures()
    axes.plot(frame["size"], frame["cosine"], "o", color="C0", alpha=0.4, markersize=6)
    means = frame.groupby("size")["cosine"].mean()
    axes.plot(means.index, means, color="C0", linewidth=3)
    axes.axhline(0, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set(
        xlabel=_("batch size"),
        ylabel=_("cosine of successive gradients"),
        title=_("How much directions agree, lr 0.01"),
    )
    caption = _("Mean over 50 updates, each seed a dot. 1: all gradients point the same way; 0: they are unrelated.")
    return Picture("larger_steps-cosines", caption, figures)


def _largest(frame: pd.DataFrame) -> Table:
    rows = []
    for size, part in frame.groupby("size"):
        largest = part[part["survived"]].groupby("seed")["lr"].max()
        counts = largest.value_counts().sort_index()
        rows.append(
            {
                _("batch size"): f"{size:,}",
                _("largest lr survived (seeds)"): ", ".join(f"{lr:g} ({count})" for lr, count in counts.items()),
                _("geometric mean"): f"{np.exp(np.log(largest).mean()):.2f}" if len(largest) else "–",
            }
        )
    return Table(_("The largest lr that a run survives, for each seed on its own."), pd.DataFrame(rows))
