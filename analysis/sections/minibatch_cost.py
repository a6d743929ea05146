"""Do mini-batches make training cheaper?"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import OptimizeWarning, curve_fit

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure
from analysis.judging.verdicts import Verdict
from analysis.rendering import plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.core.language import _

ESTIMANDS, ARMS = (), ()  # it shows whatever batch sizes there are


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """Seconds, examples and updates to the target by batch size, and the trade-off between the last two."""
    primary = evidence.claim.primary
    assert primary is not None and primary.at is not None
    frame = _costs(evidence, primary.at)
    note, trade_off = _trade_off(frame, primary.at)
    pictures = [_seconds(frame, primary.at), *trade_off, *effects("minibatch_cost", verdicts)]
    return Section(pictures, [_table(frame)], [note])


def _costs(evidence: Evidence, target: float) -> pd.DataFrame:
    parts = []
    for arm in [name for name, arm in evidence.claim.arms.items() if arm.tuned]:
        columns = {
            name: measure(evidence, name, target if name.endswith("to_loss") else None, arm)
            for name in ("updates_to_loss", "examples_to_loss", "seconds_to_loss", "seconds_per_update")
        }
        runs = evidence.of([arm])
        size, lr = int(runs["batch_size"].iloc[0]), float(runs["lr"].iloc[0])
        parts.append(
            pd.DataFrame(columns).rename_axis("seed").reset_index().assign(batch_size=size, lr=lr, family="tuned lr")
        )
    return pd.concat(parts, ignore_index=True)


def _seconds(frame: pd.DataFrame, target: float) -> Picture:
    figures, axes = plots.new_figures(3)
    finite = frame[np.isfinite(frame["seconds_to_loss"])]
    plots.by_size(axes[0], finite, "batch_size", "seconds_to_loss", "family")
    axes[0].set(
        xlabel=_("batch size"),
        ylabel=_("seconds to a loss of {target:g}").format(target=target),
        title=_("Seconds to the target"),
    )
    plots.by_size(axes[1], frame, "batch_size", "seconds_per_update", "family")
    axes[1].set(xlabel=_("batch size"), ylabel=_("seconds an update"), title=_("Seconds an update"))
    labelled = frame.assign(batch=frame["batch_size"].map(lambda size: _("batch {size:,}").format(size=size)))
    plots.reached(axes[2], labelled, "seconds_to_loss", "batch")
    axes[2].set(xlabel=_("seconds"), title=_("Seeds that have arrived"))
    return Picture("minibatch_cost-seconds", _("One thread a run; lr tuned for each batch size."), figures)


def _trade_off(frame: pd.DataFrame, target: float) -> tuple[str, list[Picture]]:
    """(S/S_min − 1)(E/E_min − 1) = 1 (McCandlish et al. 2018, eq. 2.11), which is S = S_min (1 + B_crit / B)."""
    arrived = frame.groupby("batch_size")["updates_to_loss"].transform(lambda updates: np.isfinite(updates).all())
    finite = frame[arrived]
    if finite["batch_size"].nunique() < 3:
        return _("Fewer than three batch sizes got to the target with every seed: there is no trade-off to fit."), []
    means = np.exp(np.log(finite.set_index("batch_size")["updates_to_loss"]).groupby("batch_size").mean())
    sizes = means.index.to_numpy(dtype=float)

    def log_updates(batch: Any, log_least: float, log_critical: float) -> Any:
        return log_least + np.log1p(np.exp(log_critical) / batch)

    start = (np.log(means.min()), np.log(100.0))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            (log_least, log_critical), _covariance = curve_fit(log_updates, sizes, np.log(means), p0=start)
    except (OptimizeWarning, RuntimeError):
        return _("The updates hardly depend on the batch size: there is no trade-off to fit."), []
    least, critical = float(np.exp(log_least)), float(np.exp(log_critical))
    figures, (axes,) = plots.new_figures()
    points = finite.assign(family=finite["batch_size"].map(lambda size: _("batch {size:,}").format(size=size)))
    plots.clouds(axes, points, "examples_to_loss", "updates_to_loss", "family")
    batch = np.geomspace(sizes.min() / 4, sizes.max(), 100)
    updates = least * (1 + critical / batch)
    axes.plot(batch * updates, updates, color="black", linestyle="--", linewidth=2, label=_("fitted trade-off"))
    plots.legend(axes)
    axes.set(
        xlabel=_("images processed"),
        ylabel=_("updates"),
        title=_("To a training loss of {target:g}").format(target=target),
    )
    note = _(
        "The trade-off (S/S_min − 1)(E/E_min − 1) = 1, fitted to the geometric means: S_min = {least:.0f} updates,"
        " E_min = {images:,.0f} images, critical batch size {critical:.0f}. Beyond it a larger batch saves"
        " few updates. It is a fit to {count} batch sizes, without an interval."
    ).format(least=least, images=least * critical, critical=critical, count=len(means))
    return note, [Picture("minibatch_cost-trade-off", _("A dot a seed. Dashed: the fitted trade-off curve."), figures)]


def _table(frame: pd.DataFrame) -> Table:
    rows = []
    for size, part in frame.groupby("batch_size"):
        rows.append(
            {
                _("batch size"): f"{size:,}",
                _("tuned lr"): f"{part['lr'].iloc[0]:g}",
                _("updates"): f"{part['updates_to_loss'].median():.0f}",
                _("images"): f"{part['examples_to_loss'].median():,.0f}",
                _("seconds"): f"{part['seconds_to_loss'].median():.3f}",
                _("ms an update"): f"{part['seconds_per_update'].median() * 1e3:.2f}",
                _("never there"): int((~np.isfinite(part["updates_to_loss"])).sum()),
            }
        )
    return Table(_("Medians over seeds, to the target loss."), pd.DataFrame(rows))
