"""The pictures of a claim that has no module of its own: its effects, and its training curves."""

from analysis import plots
from analysis.frames import Evidence
from analysis.section import Picture, Section
from analysis.verdicts import Verdict, unit


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """The effects by unit, and training loss by epoch for the arms of the primary estimand."""
    pictures = effects(evidence.claim.name, verdicts)
    primary = evidence.claim.primary
    assert primary is not None
    arms = evidence.claim.arm_names(primary.arms)
    curves = evidence.curves(arms, "train_loss")
    if len(curves) and curves["step"].max() > 1:
        figure, (axes,) = plots.new_figure(11, 6.5)
        plots.curves(axes, curves, "step", "value", arms)
        axes.set(xlabel="epoch", ylabel="training loss (nats)", title="Training loss by epoch")
        plots.whole_epochs(axes)
        pictures.append(
            Picture(f"{evidence.claim.name}-loss", "Training loss by epoch, mean and single seeds.", figure)
        )
    return Section(pictures, [], [])


def effects(name: str, verdicts: list[Verdict]) -> list[Picture]:
    """A forest of effects for each unit."""
    units = dict.fromkeys(unit(verdict.estimand) for verdict in verdicts)
    pictures = []
    for position, kind in enumerate(units, start=1):
        chosen = [verdict for verdict in verdicts if unit(verdict.estimand) == kind]
        figure = plots.forest(chosen, "Effects, their 95 % intervals, and what was claimed")
        caption = (
            "Dots: seeds. Bars: 95 % intervals. Green: what was claimed; a dotted line: the smallest that matters."
        )
        pictures.append(Picture(f"{name}-effects-{position}", caption, figure))
    return pictures
