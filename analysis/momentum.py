"""`python -m analysis.momentum`: does momentum speed training?"""

import pandas as pd

from analysis import one_claim, plots
from analysis.any_claim import effects
from analysis.frames import Evidence
from analysis.measures import measure
from analysis.section import Picture, Section, Table
from analysis.verdicts import Verdict

_SHOWN = ("lr 0.01, no momentum", "lr 0.01, momentum 0.9", "lr 0.1, no momentum")


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """Loss by update, the ratios side by side, and updates, seconds and accuracy of every arm."""
    primary = evidence.claim.primary
    assert primary is not None and primary.at is not None
    return Section(
        [_loss_by_update(evidence, primary.at), *effects("momentum", verdicts)], [_arms(evidence, primary.at)], []
    )


def _loss_by_update(evidence: Evidence, target: float) -> Picture:
    frame = evidence.curves(list(_SHOWN), "probe_loss")
    frame = frame[frame["step"] > 0]
    figure, (axes,) = plots.new_figure(12, 7)
    plots.curves(axes, frame, "step", "value", list(_SHOWN))
    axes.axhline(target, color="black", linestyle=":", linewidth=2)
    axes.text(1.1, target * 1.02, f"target {target:g}", fontsize="x-small")
    axes.set(xscale="log", xlabel="updates", ylabel="loss on 2,000 training images (nats)", title="Loss by update")
    caption = "Does plain descent with a step as large as momentum's in the long run, lr / (1 − γ) = 0.1, do as well?"
    return Picture("momentum-loss", caption, figure)


def _arms(evidence: Evidence, target: float) -> Table:
    rows = []
    for arm in evidence.claim.arms:
        updates = measure(evidence, "updates_to_loss", target, arm)
        seconds = measure(evidence, "seconds_to_loss", target, arm)
        accuracy = measure(evidence, "test_accuracy", None, arm)
        rows.append(
            {
                "arm": arm,
                "lr": f"{evidence.of([arm])['lr'].iloc[0]:g}",
                "updates (median)": f"{updates.median():.0f}",
                "seconds (median)": f"{seconds.median():.2f}",
                "never there": int((updates == float("inf")).sum()),
                "test accuracy, last epoch (runs that did not diverge)": f"{accuracy[accuracy > 0].mean():.1f} %",
            }
        )
    return Table(f"To a training loss of {target:g}, over the seeds of each arm.", pd.DataFrame(rows))


if __name__ == "__main__":
    one_claim.run("momentum")
