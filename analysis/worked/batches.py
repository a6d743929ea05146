"""The walkthrough's parts of §4: paths of batches, the escape from a local minimum, what a loader hands out."""

import numpy as np
import pandas as pd

from analysis.judging.stats import share_interval
from analysis.rendering import plots
from analysis.rendering.section import Picture, Table
from analysis.worked import lesson_code, quadratics
from analysis.worked.exact import exact
from analysis.worked.example import WorkedExample, check
from harness.core.config import make_config
from harness.core.language import N_, _
from harness.reference import worked_examples
from harness.training import two_basins

_SIZES = {1: N_("one sample"), 8: N_("mini-batch of 8"), 64: N_("full batch")}
_WAY_LR, _WAY_STEPS, _WAY_START = 0.1, 64, (-3.0, 3.0)
_SEEDS = range(20)
_TOY = {
    "lr": 0.05,
    "gamma": 0.0,
    "epochs": 200,
    "batch_norm": False,
    "dataset": two_basins.TWO_BASINS,
    "split": "lesson",
}
_LOADERS = ((50_000, 4_000), (60_000, 128), (569, 5), (500, 120))


def paths() -> WorkedExample:
    """§4.1: full batch, mini-batch and one sample on the same samples."""
    samples = quadratics.noisy_samples()
    lines = np.linspace(-4, 5, 100), np.linspace(-4, 4, 100)
    grid = np.stack(np.meshgrid(*lines), axis=-1)
    height = ((samples.y - grid @ samples.x.T) ** 2).mean(axis=-1) / 2
    figures, axes = plots.new_figures(3)
    rows = []
    for panel, (size, name) in zip(axes, _SIZES.items(), strict=True):
        way = quadratics.sampled_way(samples, size, _WAY_LR, _WAY_STEPS, _WAY_START)
        panel.contour(*lines, height, levels=14, colors="#c8ccd2", linewidths=1)
        panel.plot(way[:, 0], way[:, 1], ".-", linewidth=1.5, markersize=6)
        panel.plot(*samples.minimum, "*", color="C3", markersize=16)
        panel.set(title=_(name), xlabel="w₁", ylabel="w₂")
        away = float(np.linalg.norm(way[-1] - samples.minimum))
        rows.append({_("batch"): _(name), _("updates"): _WAY_STEPS,
                     _("path / distance"): f"{quadratics.path_ratio(way):.2f}",
                     _("from the minimum at the end"): f"{away:.3f}"})  # fmt: skip
    plots.same_y(axes)
    w = np.array(_WAY_START)
    single = np.mean([samples.gradient(w, np.array([n])) for n in range(len(samples.y))], axis=0)
    whole = samples.gradient(w, np.arange(len(samples.y)))
    return WorkedExample(
        "4.1",
        _("Full batch, mini-batch, one sample"),
        [_("g_B = (1/B) Σ ∂Lᵢ/∂w over the batch; its mean over all batches is the full gradient")],
        [
            _(
                "64 samples of y = 2x₁ − x₂ with noise, least squares, lr {lr:g}. The full batch goes down"
                " smoothly; one sample goes the same way on average, and never comes to rest. How this is on"
                " Fashion-MNIST is measured in the claims' report (python -m analysis.batch_noise)."
            ).format(lr=_WAY_LR)
        ],
        [
            Picture(
                "walkthrough-paths",
                _("{updates} updates each. Star: the minimum over all samples.").format(updates=_WAY_STEPS),
                figures,
            )
        ],
        [Table(_("The three ways."), pd.DataFrame(rows))],
        [
            check(
                N_("the mean of the 64 single gradients is the full one, to within"),
                float(np.abs(single - whole).max()),
                1e-12,
            )
        ],
    )


def escape() -> WorkedExample:
    """§4.1: the noise of batches throws runs out of a local basin."""
    figures, (axes,) = plots.new_figures()
    curve = np.linspace(-1.7, 1.5, 200)
    axes.plot(curve, [two_basins.loss(w) for w in curve], color="#5b6472", linewidth=2)
    rows, escaped = [], {}
    for size in (1, 8, two_basins.EXAMPLES):
        ends = []
        for seed in _SEEDS:
            run = two_basins.descend(make_config(**_TOY, batch_size=size, seed=seed))
            readings = {reading.name: reading.value for reading in run.readings}
            ends.append((readings["position"], readings["global_basin"]))
        positions = np.array([position for position, _left in ends])
        escaped[size] = int(sum(left for _position, left in ends))
        low, high = share_interval(escaped[size], len(ends))
        rows.append(
            {
                _("batch"): size,
                _("ended in the global basin"): _("{count} of {n}").format(count=escaped[size], n=len(ends)),
                _("95 % Wilson interval"): _("{low:.0%} to {high:.0%}").format(low=low, high=high),
            }
        )
        label = _("batch {size}").format(size=size)
        axes.plot(positions, [two_basins.loss(w) for w in positions], "o", alpha=0.6, markersize=9, label=label)
    plots.legend(axes)
    axes.set(xlabel="w", ylabel="f(w)")
    return WorkedExample(
        "4.1",
        _("Two basins, and who leaves the upper one"),
        [_("f(w) = w⁴/4 − w²/2 + 0.15 w, example i adds aᵢw, Σ aᵢ = 0")],
        [
            _(
                "All runs start in the local basin on the right. With all 64 examples the forces cancel and nothing"
                " pushes a run over the barrier; single examples do. A toy with forces chosen by hand: it shows what"
                " noise can do."
            )
        ],
        [Picture("walkthrough-escape", _("Where {n} runs ended, for each batch size.").format(n=len(_SEEDS)), figures)],
        [Table(_("Seeds 0 to {last}; the claim 'escape' has its own.").format(last=_SEEDS[-1]), pd.DataFrame(rows))],
        [
            check(N_("full-batch runs that left the local basin"), float(escaped[two_basins.EXAMPLES])),
            check(
                N_("one-sample runs that stayed (of 20), at most half"),
                float(len(_SEEDS) - escaped[1]),
                len(_SEEDS) / 2,
            ),
        ],
    )


def loaders() -> WorkedExample:
    """§4.2 and §4.3: how many updates an epoch has, and what drop_last leaves out."""
    figures, (axes,) = plots.new_figures()
    batches = worked_examples.batch_sizes(*_LOADERS[0], drop_last=False)
    colours = ["C0" if size == _LOADERS[0][1] else "C1" for size in batches]
    axes.bar(range(1, len(batches) + 1), batches, color=colours)
    axes.set(xlabel=_("batch"), ylabel=_("samples in it"), title=_("50,000 samples, batch size 4,000"))
    rows, wrong = [], 0
    for samples, size in _LOADERS:
        kept, dropped = (worked_examples.batch_sizes(samples, size, drop_last) for drop_last in (False, True))
        wrong += (len(kept), len(dropped)) != (-(-samples // size), samples // size)
        wrong += sum(kept) != samples
        rows.append(
            {
                _("samples m"): f"{samples:,}",
                _("batch N_B"): f"{size:,}",
                _("updates"): len(kept),
                _("in the last batch"): f"{kept[-1]:,}",
                _("updates with drop_last"): len(dropped),
                _("samples left out"): f"{samples - sum(dropped):,}",
            }
        )
    return WorkedExample(
        "4.2–4.3",
        _("Batches, epochs, and drop_last"),
        [_("n = m / N_B updates per epoch: rounded up, or down with drop_last=True")],
        [
            _(
                "TensorDataset pairs rows with labels, DataLoader hands them out in batches: shuffle=True in a new"
                " order each epoch, drop_last=True without the rest that does not fill a batch. 50,000 × 20 in batches"
                " of 4,000, 500 rows in batches of 120 and the 569 rows of the breast cancer data in batches of 5 are"
                " the lesson's own, as is a CSV in batches of 1,000. Of the last two, harness.lesson trains on five"
                " sixths and tests on the rest."
            )
        ],
        [Picture("walkthrough-batches", _("Orange: what drop_last=True leaves out."), figures)],
        [Table(_("Updates per epoch."), pd.DataFrame(rows))],
        [
            check(N_("loaders whose batches are not as computed (of 4)"), float(wrong)),
            *exact("tensor_dataset_lengths", "loader_keeps_the_type"),
        ],
        code=lesson_code.LOADERS,
    )
