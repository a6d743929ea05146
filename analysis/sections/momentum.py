"""Does momentum speed training?"""

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.verdicts import Verdict
from analysis.rendering import formatting, plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.core.language import N_, _

_PANELS = {
    "equal_lr": N_("Equal lr"),
    "tuned": N_("lr tuned for each"),
    "matched_step": N_("Equal long-run step, lr / (1 − γ)"),
}
_WATCHED = ("lr 0.01, no momentum", "lr 0.01, momentum 0.9")
_UNTIL = (10, 50, 200, 1_000)
ESTIMANDS, ARMS = (*_PANELS, "seconds"), _WATCHED


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """Loss by update for three questions, how large momentum's steps are, the ratios, and what every arm reached."""
    primary = evidence.claim.primary
    assert primary is not None and primary.at is not None
    pictures = [
        _loss_by_update(evidence, verdicts, primary.at),
        _mechanism(evidence),
        _reached(evidence, primary.at),
        *effects("momentum", verdicts),
    ]
    return Section(pictures, [_agreement(evidence), _arms(evidence, primary.at)], _shared_seconds(verdicts))


def _shared_seconds(verdicts: list[Verdict]) -> list[str]:
    """A note if both arms trained in one stack, whose seconds are shared equally."""
    by_name = {verdict.estimand.name: verdict for verdict in verdicts}
    updates, seconds = (by_name[name].differences for name in ("equal_lr", "seconds"))
    if not np.allclose(updates, seconds, rtol=1e-9, atol=0):
        return []
    return [
        _(
            'Both arms trained in one stack, whose seconds are shared equally: "in seconds" repeats the updates.'
            " --no-stack times each run alone."
        )
    ]


def _loss_by_update(evidence: Evidence, verdicts: list[Verdict], target: float) -> Picture:
    figures, axes = plots.new_figures(len(_PANELS))
    by_name = {verdict.estimand.name: verdict for verdict in verdicts}
    for ax, (name, title) in zip(axes, _PANELS.items(), strict=True):
        verdict = by_name[name]
        labels = {arm: _label(evidence, arm) for arm in verdict.estimand.arms}
        frame = evidence.curves(list(labels), "probe_loss")
        frame = frame[frame["step"] > 0].replace({"arm": labels})
        plots.curves(ax, frame, "step", "value", list(labels.values()))
        ax.axhline(target, color="black", linestyle=":", linewidth=2)
        ax.set(
            xscale="log",
            xlabel=_("updates"),
            ylabel=_("loss (nats)"),
            title=f"{_(title)}\n{formatting.effect(verdict)}",
        )
        ax.text(1.1, target + 0.02, _("target {target:g}").format(target=target), fontsize="x-small")
    plots.same_y(axes)
    caption = _(
        "The loss on 2,000 training images. Above each: how many times as many updates the first arm takes to the"
        " dotted target. Bands: one deviation over seeds; thin lines: seeds."
    )
    return Picture("momentum-loss", caption, figures)


def _label(evidence: Evidence, arm: str) -> str:
    """What a legend calls an arm: its name, and its lr where the name lacks it."""
    name = evidence.claim.shown(arm)
    return name if "lr" in arm else _("{arm} (lr {lr:g})").format(arm=name, lr=evidence.of([arm])["lr"].iloc[0])


def _mechanism(evidence: Evidence) -> Picture:
    """What happens between two looks: the cumulated readings of the probe "path", taken apart again."""
    figures, axes = plots.new_figures(2)
    parts = []
    for row in evidence.of(list(_WATCHED)).to_dict("records"):
        length, gradients, cosine = (
            evidence.curve(str(row["run_id"]), name) for name in ("path_length", "gradient_path", "gradient_cosine")
        )
        cosines = cosine * (cosine.index - 1)  # the mean of so many cosines
        local = pd.DataFrame({"gain": length.diff() / gradients.diff(), "cosine": cosines.diff()})
        local["cosine"] /= cosines.index.to_series().diff()
        parts.append(local.dropna().rename_axis("step").reset_index()
                     .assign(arm=evidence.claim.shown(str(row["arm"])), seed=row["seed"]))  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    names = [evidence.claim.shown(arm) for arm in _WATCHED]
    plots.curves(axes[0], frame, "step", "cosine", names)
    axes[0].set(xscale="log", xlabel=_("updates"), ylabel=_("cosine"), title=_("Do successive gradients agree?"))
    plots.curves(axes[1], frame, "step", "gain", names)
    axes[1].set(
        xscale="log", xlabel=_("updates"), ylabel=_("step / (lr × gradient)"), title=_("How large are the steps?")
    )
    caption = _(
        "Steps in units of those that plain descent would make with the same gradients: up to 1 / (1 − γ) = 10 where"
        " all gradients agree, 2.3 where they have nothing to do with each other."
    )
    return Picture("momentum-steps", caption, figures)


def _reached(evidence: Evidence, target: float) -> Picture:
    parts = [
        pd.DataFrame(
            {
                "updates": measure(evidence, "updates_to_loss", target, arm).to_numpy(),
                "arm": evidence.claim.shown(arm),
            }
        )
        for arm, settings in evidence.claim.arms.items()
        if arm in _WATCHED or settings.tuned
    ]
    figures, (axes,) = plots.new_figures()
    plots.reached(axes, pd.concat(parts, ignore_index=True), "updates", "arm")
    axes.set(xlabel=_("updates"), title=_("Seeds at a training loss of {target:g}").format(target=target))
    caption = _("A line that ends below 1 holds runs that never reached it; they count as ∞.")
    return Picture("momentum-reached", caption, figures)


def _agreement(evidence: Evidence) -> Table:
    rows = []
    for arm in _WATCHED:
        for update in _UNTIL:
            cosine, gain = (measure(evidence, name, update, arm) for name in ("gradient_cosine", "step_gain"))
            rows.append(
                {
                    _("arm"): evidence.claim.shown(arm),
                    _("updates"): _("1 to {update:,}").format(update=update),
                    _("cosine of successive gradients"): formatting.signed(cosine.mean(), 2),
                    _("step / (lr × gradient)"): f"{gain.mean():.2f}",
                }
            )
    return Table(_("Big steps while directions agree? Means over updates and seeds."), pd.DataFrame(rows))


def _arms(evidence: Evidence, target: float) -> Table:
    rows = []
    for arm in evidence.claim.arms:
        updates = measure(evidence, "updates_to_loss", target, arm)
        seconds = measure(evidence, "seconds_to_loss", target, arm)
        rows.append(
            {
                _("arm"): evidence.claim.shown(arm),
                "lr": f"{evidence.of([arm])['lr'].iloc[0]:g}",
                _("updates (median)"): f"{updates.median():.0f}",
                _("seconds (median)"): f"{seconds.median():.2f}",
                _("never there"): _("{count} of {n}").format(count=(updates == float("inf")).sum(), n=len(updates)),
            }
        )
    return Table(
        _("To a training loss of {target:g}, over the seeds of each arm.").format(target=target), pd.DataFrame(rows)
    )
