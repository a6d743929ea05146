"""Are more epochs always better?"""

import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.verdicts import Verdict
from analysis.rendering import plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.core.defaults import LESSON

_CURVES = {"train_{}": "training", "half_2_{}": "unseen"}
ESTIMANDS, ARMS = (), ()  # it shows whatever arms there are


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """Loss and accuracy apart, on training and on unseen images, and where the best epoch lies."""
    return Section([_by_epoch(evidence), *effects("epochs", verdicts)], [_best_epochs(evidence)], _too_early(evidence))


def _by_epoch(evidence: Evidence) -> Picture:
    figures, axes = plots.new_figures(2)
    for ax, kind, unit, factor in zip(axes, ("loss", "accuracy"), ("nats", "%"), (1, 100), strict=True):
        parts = []
        for arm in evidence.claim.arms:
            for metric, label in _CURVES.items():
                parts.append(evidence.curves([arm], metric.format(kind)).assign(arm=f"{arm}, {label} images"))
        frame = pd.concat(parts, ignore_index=True)
        frame["value"] *= factor
        plots.curves(ax, frame, "step", "value", list(dict.fromkeys(frame["arm"])))
        ax.set(xlabel="epoch", ylabel=f"{kind} ({unit})", title=kind.capitalize())
    return Picture("epochs-curves", "Unseen: the half of the validation images that picks nothing.", figures)


def _best_epochs(evidence: Evidence) -> Table:
    rows = []
    for arm in evidence.claim.arms:
        runs = evidence.of([arm])
        ids = runs[runs["state"] == "complete"]["run_id"]
        by_loss = _best_by_loss(evidence, arm)
        by_accuracy = [1 + int(evidence.curve(run_id, "half_1_accuracy").to_numpy().argmax()) for run_id in ids]
        rows.append(
            {
                "arm": arm,
                "best epoch by loss": _spread(by_loss),
                "best epoch by accuracy": _spread(by_accuracy),
                "epochs run": int(evidence.of([arm])["epochs"].iloc[0]),
            }
        )
    return Table("Median over seeds (least to greatest), picked on the other half of the validation images.",
                 pd.DataFrame(rows))  # fmt: skip


def _best_by_loss(evidence: Evidence, arm: str) -> list[int]:
    runs = evidence.of([arm])
    ids = runs[runs["state"] == "complete"]["run_id"]
    return [1 + int(evidence.curve(run_id, "half_1_loss").to_numpy().argmin()) for run_id in ids]


def _too_early(evidence: Evidence) -> list[str]:
    """Whether the lesson's own number of epochs comes before the best one, so that there more epochs still help."""
    early = [
        f"{arm}, {_spread(best)}"
        for arm in evidence.claim.arms
        if (best := _best_by_loss(evidence, arm)) and min(best) > LESSON["epochs"]
    ]
    if not early:
        return []
    return [
        f"The lesson trains for {LESSON['epochs']} epochs. In every run the best epoch comes later (median, least to"
        f" greatest: {'; '.join(early)}): up to there more epochs are better."
    ]


def _spread(epochs: list[int]) -> str:
    if not epochs:
        return "– (every run diverged)"
    return f"{pd.Series(epochs).median():g} ({min(epochs)} to {max(epochs)})"
