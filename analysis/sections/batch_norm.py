"""Does BatchNorm add 5 %?"""

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.verdicts import Verdict
from analysis.rendering import formatting, plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.core.intervals import mean_interval
from harness.core.language import N_, _

_NOISE_FLOOR = 0.3  # points: √(p(1 − p)/10,000) of a test accuracy near 0.88 on 10,000 images
_AGAINST_PLAIN = ("BatchNorm", "standardised", "BatchNorm after the hidden layer")
_LESSON = N_("lr 0.15, batch 128")
_SETTINGS = {_LESSON: ("BatchNorm", "plain")} | {
    name: (f"{name}, BatchNorm", f"{name}, plain") for name in ("lr 0.01", "lr 0.5", N_("batch 32"), N_("batch 1024"))
}
ESTIMANDS, ARMS = (), (*_AGAINST_PLAIN, *(arm for arms in _SETTINGS.values() for arm in arms))


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """Paired differences by epoch against the claimed 5, the controls, and the same compared at equal seconds."""
    primary = evidence.claim.primary
    assert primary is not None
    notes = [_relative(evidence), _equal_seconds(evidence)]
    pictures = [_by_epoch(evidence, primary.claimed or 0.0, primary.margin or 0.0), *effects("batch_norm", verdicts)]
    return Section(pictures, [_each_epoch(evidence), _interaction(evidence), _arms(evidence)], notes)


def _by_epoch(evidence: Evidence, claimed: float, margin: float) -> Picture:
    figures, axes = plots.new_figures(2)
    for ax, metric, title in zip(
        axes, ("train_accuracy", "test_accuracy"), (_("training accuracy"), _("test accuracy")), strict=True
    ):
        frame = pd.concat([_differences(evidence, arm, metric) for arm in _AGAINST_PLAIN], ignore_index=True)
        ax.axhspan(claimed - margin, claimed + margin, color="#029e73", alpha=0.15)
        ax.text(frame["step"].max(), claimed, _("claimed"), ha="right", va="center", fontsize="small")
        if metric == "test_accuracy":
            ax.axhspan(-_NOISE_FLOOR, _NOISE_FLOOR, color="#949494", alpha=0.3)
        plots.curves(ax, frame, "step", "value", [evidence.claim.shown(arm) for arm in _AGAINST_PLAIN])
        ax.axhline(0, color="black", linewidth=1.5)
        ax.set(xlabel=_("epoch"), ylabel=_("points above plain"), title=title)
        plots.whole_epochs(ax)
    caption = _(
        "Paired differences to the plain network, lr 0.15. Green: the claimed 5 ± 1 points. Grey: what one test set of"
        " 10,000 images cannot resolve (0.3 points)."
    )
    return Picture("batch_norm-differences", caption, figures)


def _differences(evidence: Evidence, arm: str, metric: str) -> pd.DataFrame:
    with_norm = evidence.curves([arm], metric).set_index(["seed", "step"])["value"]
    plain = evidence.curves(["plain"], metric).set_index(["seed", "step"])["value"]
    return ((with_norm - plain) * 100).dropna().reset_index().assign(arm=evidence.claim.shown(arm))


def _each_epoch(evidence: Evidence) -> Table:
    columns = {}
    for metric, name in (("train_accuracy", _("training accuracy")), ("test_accuracy", _("test accuracy"))):
        by_epoch = _differences(evidence, "BatchNorm", metric).groupby("step")["value"]
        columns[name] = {epoch: _interval(values) for epoch, values in by_epoch}
    frame = pd.DataFrame(columns).rename_axis(_("epoch")).reset_index()
    caption = _("Points that BatchNorm adds to the plain network, with 95 % t intervals, at the lesson's settings.")
    return Table(caption, frame)


def _relative(evidence: Evidence) -> str:
    plain = measure(evidence, "train_accuracy", 1, "plain")
    with_norm = measure(evidence, "train_accuracy", 1, "BatchNorm")
    return _(
        "In epoch 1 the training accuracy goes from {plain:.1f} % to {with_norm:.1f} %: {points:.1f} points, which is"
        " {more:.1%} more, and {fewer:.0%} fewer errors."
    ).format(
        plain=plain.mean(),
        with_norm=with_norm.mean(),
        points=(with_norm - plain).mean(),
        more=(with_norm / plain - 1).mean(),
        fewer=1 - (100 - with_norm).mean() / (100 - plain).mean(),
    )


def _equal_seconds(evidence: Evidence) -> str:
    """BatchNorm costs time: its test accuracy, linear between epochs, when the plain network has done its 10 epochs."""
    differences, ratios = [], []
    plain, normed = evidence.of(["plain"]), evidence.of(["BatchNorm"])
    both = (plain["state"] == "complete") & (normed["state"] == "complete")
    plain, normed = plain[both], normed[both]
    for plain_id, normed_id in zip(plain["run_id"], normed["run_id"], strict=True):
        seconds = evidence.curve(plain_id, "epoch_seconds").sum()
        passed = evidence.curve(normed_id, "epoch_seconds").cumsum()
        ratios.append(passed.iloc[-1] / seconds)
        last = np.interp(seconds, passed, evidence.curve(normed_id, "test_accuracy"))
        differences.append(float(last - evidence.curve(plain_id, "test_accuracy").iloc[-1]) * 100)
    interval = mean_interval(differences)
    mean, low, high = (formatting.signed(value, 2) for value in (interval.mean, interval.low, interval.high))
    text = _(
        "At equal seconds of training (those of the plain network's epochs), BatchNorm has {mean} points of test"
        " accuracy, 95 % interval {low} to {high}, n = {n}."
    ).format(mean=mean, low=low, high=high, n=interval.n)
    if not np.allclose(ratios, 1):
        return text
    return _(
        "{text} Both trained in one stack, whose seconds are shared equally; --no-stack times each run alone."
    ).format(text=text)


def _interaction(evidence: Evidence) -> Table:
    """The effect in epoch 1 by lr and batch size, and its paired difference from that at the lesson's settings."""
    rows, base = [], None
    for name, (with_norm, plain) in _SETTINGS.items():
        effect = measure(evidence, "train_accuracy", 1, with_norm) - measure(evidence, "train_accuracy", 1, plain)
        against = "–" if base is None else _interval(effect - base)
        base = effect if base is None else base
        row = {_("setting"): _(name), _("BatchNorm adds"): _interval(effect), _("against the first row"): against}
        rows.append(row)
    caption = _("Points of training accuracy in epoch 1, with 95 % t intervals: does the effect depend on the setting?")
    return Table(caption, pd.DataFrame(rows))


def _interval(differences: "pd.Series[float]") -> str:
    if not np.all(np.isfinite(differences)):
        return _("{count} of {n} pairs hold a diverged run").format(
            count=int((~np.isfinite(differences)).sum()), n=len(differences)
        )
    interval = mean_interval(differences.tolist())
    mean, low, high = (formatting.signed(value, 1) for value in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]"


def _arms(evidence: Evidence) -> Table:
    rows = []
    for arm in evidence.claim.arms:
        runs = evidence.of([arm])
        first = measure(evidence, "train_accuracy", 1, arm)
        test = measure(evidence, "test_accuracy", None, arm)
        rows.append(
            {
                _("arm"): evidence.claim.shown(arm),
                "lr": f"{runs['lr'].iloc[0]:g}",
                _("batch size"): int(runs["batch_size"].iloc[0]),
                _("training accuracy, epoch 1"): _finite_mean(first),
                _("test accuracy, last epoch"): _finite_mean(test),
                _("diverged"): int((runs["state"] == "diverged").sum()),
            }
        )
    return Table(_("Means over the seeds of each arm that did not diverge."), pd.DataFrame(rows))


def _finite_mean(values: "pd.Series[float]") -> str:
    finite = values[np.isfinite(values)]
    return f"{finite.mean():.1f} %" if len(finite) else "–"
