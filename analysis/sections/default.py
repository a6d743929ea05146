"""The section of a claim without its own: effects and curves, or published results."""

import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.accuracy import reached
from analysis.judging.verdicts import Verdict
from analysis.rendering import forest, plots
from analysis.rendering.section import Picture, Section, Table
from analysis.rendering.style import VERDICT_COLOURS
from analysis.sections import searches
from harness.claims.claim import Claim
from harness.core.language import N_, _

_OWN = "#0173b2"
# Measures that are metrics by epoch: the label of their axis, the title of their figure, and its caption.
_BY_EPOCH = {
    "test_accuracy": (
        N_("test accuracy"),
        N_("Test accuracy by epoch"),
        N_("Test accuracy by epoch, mean and single seeds."),
    ),
    "train_accuracy": (
        N_("training accuracy"),
        N_("Training accuracy by epoch"),
        N_("Training accuracy by epoch, mean and single seeds."),
    ),
    "train_loss": (
        N_("training loss (nats)"),
        N_("Training loss by epoch"),
        N_("Training loss by epoch, mean and single seeds."),
    ),
}


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """The effects by unit; for the arms of the primary estimand, its measure and the training loss by epoch."""
    pictures = effects(evidence.claim.name, verdicts)
    primary = evidence.claim.primary
    assert primary is not None
    arms = evidence.claim.arm_names(primary.arms)
    if all(evidence.claim.arms[arm].search for arm in arms):
        return Section([*pictures, searches.progress(evidence, arms)], [], [])
    for metric in dict.fromkeys((primary.measure, "train_loss")):
        curves = evidence.curves(arms, metric) if metric in _BY_EPOCH else pd.DataFrame()
        if len(curves) and curves["step"].max() > 1:
            pictures.append(_by_epoch(evidence.claim, metric, curves, arms))
    return Section(pictures, [], [])


def _by_epoch(claim: Claim, metric: str, curves: pd.DataFrame, arms: list[str]) -> Picture:
    label, title, caption = _BY_EPOCH[metric]
    figures, (axes,) = plots.new_figures()
    shown = curves.assign(arm=curves["arm"].map(claim.shown))
    plots.curves(axes, shown, "step", "value", [claim.shown(arm) for arm in arms])
    axes.set(xlabel=_("epoch"), ylabel=_(label), title=_(title))
    plots.whole_epochs(axes)
    return Picture(f"{claim.name}-{metric.replace('_', '-')}", _(caption), figures)


def effects(name: str, verdicts: list[Verdict]) -> list[Picture]:
    """A forest of effects for each unit."""
    units = dict.fromkeys(verdict.unit for verdict in verdicts)
    pictures = []
    for position, kind in enumerate(units, start=1):
        chosen = [verdict for verdict in verdicts if verdict.unit == kind]
        figure = forest.forest(chosen)
        caption = _(
            "All effects in this unit ({unit}). Dots: seeds. Bars: 95 % intervals, green if as claimed. Shaded: what"
            " was claimed; a dotted line: the smallest effect that matters."
        ).format(unit=_(forest.AXIS.get(kind, kind)))
        pictures.append(Picture(f"{name}-effects-{position}", caption, [figure]))
    return pictures


def published_section(claim: Claim, evidence: Evidence | None) -> Section:
    """The published accuracies, what the claim's own arms reached, and the claimed accuracy."""
    assert claim.claimed_accuracy is not None
    rows = sorted(claim.published, key=lambda result: result.test_accuracy)
    own = reached(evidence)
    figures, (axes,) = plots.new_figures(1, 1.4 + 0.5 * (len(rows) + len(own)))
    for position, arm in enumerate(own):
        low, mean, high = arm.accuracy.low, arm.accuracy.mean, arm.accuracy.high
        axes.errorbar([mean], [position], xerr=[[mean - low], [high - mean]], fmt="s", color=_OWN, capsize=5)
    for position, result in enumerate(rows, start=len(own)):
        colour = VERDICT_COLOURS["inconclusive" if result.unreproduced else "not reproduced"]
        axes.plot([result.test_accuracy], [position], "D" if result.unreproduced else "o", color=colour, markersize=12)
    axes.axvline(claim.claimed_accuracy, color="#029e73", linewidth=2, linestyle=":")
    names = [_("{arm}, run here").format(arm=arm.words) for arm in own] + [result.model for result in rows]
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelsize="x-small")
    axes.set(xlabel=_("test accuracy (%)"))
    caption = _(
        "Published results. Dotted: the claimed {accuracy:g} %. A grey diamond: published, but no reproduction was"
        " found."
    ).format(accuracy=claim.claimed_accuracy)
    if own:
        caption = _("{caption} A blue square: runs of this project, with the 95 % interval of their mean.").format(
            caption=caption
        )
    picture = Picture(f"{claim.name}-published", caption, figures)
    table = pd.DataFrame(
        [
            {
                _("model"): result.model,
                _("test accuracy"): f"{result.test_accuracy:g} %",
                _("source"): _("{source}. Not counted: {reason}").format(
                    source=result.source, reason=result.unreproduced
                )
                if result.unreproduced
                else result.source,
            }
            for result in reversed(rows)
        ]
    )
    pictures = [picture]
    if evidence is not None:
        arms = list(claim.arms)
        metrics = ("test_accuracy", "train_accuracy")
        pictures += [_by_epoch(claim, metric, evidence.curves(arms, metric), arms) for metric in metrics]
    return Section(pictures, [Table(_("Literature, not runs of this project."), table)], [])
