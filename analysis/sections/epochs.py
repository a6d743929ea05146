"""Are more epochs always better?"""

import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.verdicts import Verdict
from analysis.rendering import plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.core.defaults import LESSON
from harness.core.language import N_, _

_CURVES = {"train_{}": N_("{arm}, training images"), "half_2_{}": N_("{arm}, unseen images")}
ESTIMANDS, ARMS = (), ()  # it shows whatever arms there are


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """Loss and accuracy apart, on training and on unseen images, and where the best epoch lies."""
    return Section([_by_epoch(evidence), *effects("epochs", verdicts)], [_best_epochs(evidence)], _too_early(evidence))


def _by_epoch(evidence: Evidence) -> Picture:
    figures, axes = plots.new_figures(2)
    units, titles = (_("loss (nats)"), _("accuracy (%)")), (_("Loss"), _("Accuracy"))
    for ax, kind, unit, title, factor in zip(axes, ("loss", "accuracy"), units, titles, (1, 100), strict=True):
        parts = []
        for arm in evidence.claim.arms:
            for metric, label in _CURVES.items():
                name = _(label).format(arm=evidence.claim.shown(arm))
                parts.append(evidence.curves([arm], metric.format(kind)).assign(arm=name))
        frame = pd.concat(parts, ignore_index=True)
        frame["value"] *= factor
        plots.curves(ax, frame, "step", "value", list(dict.fromkeys(frame["arm"])))
        ax.set(xlabel=_("epoch"), ylabel=unit, title=title)
    return Picture("epochs-curves", _("Unseen: the half of the validation images that picks nothing."), figures)


def _best_epochs(evidence: Evidence) -> Table:
    rows = []
    for arm in evidence.claim.arms:
        runs = evidence.of([arm])
        ids = runs[runs["state"] == "complete"]["run_id"]
        by_loss = _best_by_loss(evidence, arm)
        by_accuracy = [1 + int(evidence.curve(run_id, "half_1_accuracy").to_numpy().argmax()) for run_id in ids]
        rows.append(
            {
                _("arm"): evidence.claim.shown(arm),
                _("best epoch by loss"): _spread(by_loss),
                _("best epoch by accuracy"): _spread(by_accuracy),
                _("epochs run"): int(evidence.of([arm])["epochs"].iloc[0]),
            }
        )
    return Table(_("Median over seeds (least to greatest), picked on the other half of the validation images."),
                 pd.DataFrame(rows))  # fmt: skip


def _best_by_loss(evidence: Evidence, arm: str) -> list[int]:
    runs = evidence.of([arm])
    ids = runs[runs["state"] == "complete"]["run_id"]
    return [1 + int(evidence.curve(run_id, "half_1_loss").to_numpy().argmin()) for run_id in ids]


def _too_early(evidence: Evidence) -> list[str]:
    """Whether the lesson's own number of epochs comes before the best one, so that there more epochs still help."""
    early = [
        _("{arm}, {epochs}").format(arm=evidence.claim.shown(arm), epochs=_spread(best))
        for arm in evidence.claim.arms
        if (best := _best_by_loss(evidence, arm)) and min(best) > LESSON["epochs"]
    ]
    if not early:
        return []
    return [
        _(
            "The lesson trains for {epochs} epochs. In every run the best epoch comes later (median, least to"
            " greatest: {later}): up to there more epochs are better."
        ).format(epochs=LESSON["epochs"], later=_("; ").join(early))
    ]


def _spread(epochs: list[int]) -> str:
    if not epochs:
        return _("– (every run diverged)")
    return _("{median:g} ({least} to {greatest})").format(
        median=pd.Series(epochs).median(), least=min(epochs), greatest=max(epochs)
    )
