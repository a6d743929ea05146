"""Do small batches make a zigzag path?"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.evidence.claims import Evidence
from analysis.judging.measures import measure, unbiased_covariance
from analysis.judging.verdicts import Verdict
from analysis.rendering import formatting, plots
from analysis.rendering.section import Picture, Section, Table
from analysis.sections.default import effects
from harness.core.language import N_, _

_FAMILIES = {"batch *": "lr 0.15", "lr 0.01, batch *": "lr 0.01"}
_WEIGHTS = {"start": N_("untrained"), "end": N_("after one epoch")}
ESTIMANDS, ARMS = (), ("batch 1", "batch 60000", "lr 0.01, batch 1", "checkpoints")


def section(evidence: Evidence, verdicts: list[Verdict]) -> Section:
    """Paths in one plane, roughness by batch size, the covariance law, and the gradient noise scale."""
    primary = evidence.claim.primary
    assert primary is not None and primary.at is not None
    updates = int(primary.at)
    path_note, paths = _paths(evidence, updates)
    return Section(
        [paths, _ratios(evidence, updates), _covariance(evidence), *effects("batch_noise", verdicts)],
        [_cosines(evidence, updates), _noise_scale(evidence)],
        [path_note],
    )


def _paths(evidence: Evidence, updates: int) -> tuple[str, Picture]:
    """The sketched paths of the first seed, in the plane of the two directions that explain all of them best."""
    arms = evidence.claim.arm_names(["batch *"])
    first = evidence.runs["seed"].min()
    rows = evidence.of(arms)
    rows = rows[(rows["seed"] == first) & (rows["state"] == "complete")]
    ids = dict(zip(rows["arm"], rows["run_id"], strict=True))
    ways = {arm: evidence.trajectory(run_id)[: updates + 1] for arm, run_id in ids.items()}
    together = np.concatenate(list(ways.values()))
    centre = together.mean(axis=0)
    _left, sizes, directions = np.linalg.svd(together - centre, full_matrices=False)
    explained = sizes[:2] ** 2 / (sizes**2).sum()
    figures, axes = plots.new_figures(2)
    for ax, shown in zip(axes, (list(ways), [arm for arm in ways if arm != "batch 1"]), strict=True):
        for arm, colour in zip(arms, plots.palette(len(arms)), strict=True):
            if arm in shown:
                plane = (ways[arm] - centre) @ directions[:2].T
                ax.plot(plane[:, 0], plane[:, 1], "-o", color=colour, markersize=3, linewidth=1.5,
                        label=evidence.claim.shown(arm))  # fmt: skip
                ax.plot(*plane[-1], "s", color=colour, markersize=11)
        ax.set(
            xlabel=_("first direction ({share:.0%})").format(share=explained[0]),
            ylabel=_("second direction ({share:.0%})").format(share=explained[1]),
        )
        plots.legend(ax)
    axes[0].set_title(_("The first {updates} updates, lr 0.15").format(updates=updates))
    axes[1].set_title(_("The same without batch 1"))
    caption = _(
        "Paths of one seed from the same start; squares mark update {updates}. One PCA, fitted to all paths."
    ).format(updates=updates)
    note = _(
        "The plane shows {share:.0%} of the variance of all paths together (seed {seed}). A random walk in"
        " many dimensions looks smooth in its first principal components too (Antognini, Sohl-Dickstein 2018), so the"
        " picture illustrates, and the path ratio judges."
    ).format(share=explained.sum(), seed=first)
    return note, Picture("batch_noise-paths", caption, figures)


def _ratios(evidence: Evidence, updates: int) -> Picture:
    figures, axes = plots.new_figures(2)
    plots.by_size(axes[0], _by_batch(evidence, "path_ratio", updates, _FAMILIES), "batch_size", "value", "family")
    axes[0].set(
        xlabel=_("batch size"),
        ylabel=_("path length / distance"),
        title=_("Path after {updates} updates").format(updates=updates),
    )
    rough = _by_batch(evidence, "roughness", updates, {"batch *": "lr 0.15"})
    plots.by_size(axes[1], rough, "batch_size", "value", "family")
    axes[1].set(
        xlabel=_("batch size"),
        ylabel=_("Σ|change of loss| (nats)"),
        title=_("Ups and downs of the loss, lr 0.15"),
    )
    return Picture(
        "batch_noise-ratio",
        _("Path length over distance: 1 is a straight path. Ups and downs: Σ|ΔL| over the same updates."),
        figures,
    )


def _covariance(evidence: Evidence) -> Picture:
    parts = []
    for row in _complete(evidence, "checkpoints").to_dict("records"):
        for when, family in _WEIGHTS.items():
            curve = evidence.curve(str(row["run_id"]), f"gradient_covariance_{when}")
            images = int(evidence.curve(str(row["run_id"]), f"gradient_square_{when}").index[0])
            law = unbiased_covariance(curve, images)
            parts.append(
                pd.DataFrame({"size": law.index, "value": law.to_numpy(), "family": _(family), "seed": row["seed"]})
            )
    frame = pd.concat(parts, ignore_index=True)
    figures, (axes,) = plots.new_figures()
    plots.by_size(axes, frame, "size", "value", "family")
    sizes = sorted(frame["size"].unique())
    start = float(frame[(frame["size"] == sizes[0]) & (frame["family"] == _(_WEIGHTS["start"]))]["value"].mean())
    plots.slope_line(axes, sizes, start, -1, _("slope −1"))
    axes.set(xlabel=_("batch size"), ylabel=_("tr Cov of the gradient"), title=_("Gradient noise at frozen weights"))
    caption = _("Corrected for drawing without replacement, (n − B)/(n − 1). Dashed: one over the batch size.")
    return Picture("batch_noise-covariance", caption, figures)


def _by_batch(evidence: Evidence, name: str, updates: int, families: dict[str, str]) -> pd.DataFrame:
    parts = []
    for pattern, family in families.items():
        for arm in evidence.claim.arm_names([pattern]):
            values = measure(evidence, name, updates, arm)
            size = int(evidence.of([arm])["batch_size"].iloc[0])
            points = {"batch_size": size, "value": values.to_numpy(), "seed": values.index}
            parts.append(pd.DataFrame(points).assign(family=family))
    return pd.concat(parts, ignore_index=True)


def _cosines(evidence: Evidence, updates: int) -> Table:
    rows = []
    for pattern, family in _FAMILIES.items():
        frame = _by_batch(evidence, "gradient_cosine", updates, {pattern: family})
        half, ratio = (_by_batch(evidence, "path_ratio", at, {pattern: family}) for at in (updates // 2, updates))
        losses = _by_batch(evidence, "probe_loss", updates, {pattern: family}) if pattern == "batch *" else None
        for size, values in frame.groupby("batch_size"):
            rows.append(
                {
                    "lr": family.removeprefix("lr "),
                    _("batch size"): f"{size:,}",
                    _("cosine of successive gradients"): formatting.signed(values["value"].mean(), 2),
                    _("path / distance, {updates} updates").format(updates=updates // 2): _mean_at(half, size),
                    _("path / distance, {updates} updates").format(updates=updates): _mean_at(ratio, size),
                    _("loss after {updates} updates").format(updates=updates): (
                        "–" if losses is None else _mean_at(losses, size)
                    ),
                }
            )
    caption = _(
        "Means over seeds and the first {updates} updates. A cosine of 1: every gradient points the same way."
    ).format(updates=updates)
    return Table(caption, pd.DataFrame(rows))


def _mean_at(frame: pd.DataFrame, size: Any) -> str:
    return f"{frame[frame['batch_size'] == size]['value'].mean():.2f}"


def _noise_scale(evidence: Evidence) -> Table:
    """tr Σ / ‖G‖² (McCandlish et al. 2018, eq. 2.9), both averaged over seeds before they are divided."""
    rows = []
    for when, label in _WEIGHTS.items():
        traces, squares = [], []
        for run_id in _complete(evidence, "checkpoints")["run_id"]:
            square = evidence.curve(run_id, f"gradient_square_{when}")
            law = unbiased_covariance(evidence.curve(run_id, f"gradient_covariance_{when}"), int(square.index[0]))
            traces.append(float(np.mean(law.to_numpy() * law.index.to_numpy())))
            squares.append(float(square.iloc[0]))
        row = {_("weights"): _(label), "tr Σ": f"{np.mean(traces):.3g}", "‖G‖²": f"{np.mean(squares):.3g}"}
        rows.append(row | {_("noise scale, images"): f"{np.mean(traces) / np.mean(squares):.0f}"})
    return Table(_("The simple noise scale tr Σ / ‖G‖²: the batch size at which noise and signal are as large."),
                 pd.DataFrame(rows))  # fmt: skip


def _complete(evidence: Evidence, arm: str) -> pd.DataFrame:
    runs = evidence.of([arm])
    return runs[runs["state"] == "complete"]
