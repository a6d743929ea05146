"""The figures of a search: numbers to seaborn axes. Computes nothing."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from analysis.rendering import style  # noqa: F401  # sets the look

STATES = {
    "complete": "#0173b2",
    "pruned": "#de8f05",
    "did not learn": "#ca9161",
    "diverged": "#cc3311",
    "failed": "#949494",
}


def learning_curves(epochs: pd.DataFrame, best_trial: int) -> Figure:
    """Validation accuracy by epoch, a line a trial, coloured by how it ended; the best one is drawn thick."""
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    axes = figure.subplots()
    sns.lineplot(
        epochs, x="epoch", y="val_accuracy", hue="state", units="trial", estimator=None, palette=STATES, alpha=0.6,
        linewidth=1.5, marker="o", markersize=5, ax=axes,
    )  # fmt: skip
    best = epochs[epochs["trial"] == best_trial]
    axes.plot(best["epoch"], best["val_accuracy"], color="black", linewidth=4, label=f"best: trial {best_trial}")
    axes.set(xlabel="epoch", ylabel="validation accuracy", title="Every trial, epoch by epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(title=None, loc="lower right")
    return figure


def parameter_slices(trials: pd.DataFrame, best_trial: int) -> Figure:
    """Validation accuracy of the last epoch against each hyperparameter; the best trial is ringed.

    A point a trial that has one: what diverged in its first epoch is not drawn.
    """
    figure = Figure(figsize=(15, 5.5), layout="constrained")
    names = ("lr", "gamma", "batch_size", "epochs", "batch_norm")
    shown = trials.dropna(subset="val_accuracy")
    for axes, name in zip(figure.subplots(1, len(names), sharey=True), names, strict=True):
        sns.scatterplot(
            shown, x=name, y="val_accuracy", hue="state", palette=STATES, s=90, alpha=0.8, ax=axes, legend=name == "lr"
        )
        best = shown[shown["trial"] == best_trial]
        axes.scatter(best[name], best["val_accuracy"], s=260, facecolors="none", edgecolors="black", linewidths=2.5)
        if name in ("lr", "batch_size"):
            axes.set_xscale("log", base=10 if name == "lr" else 2)
        if name == "batch_size":
            axes.xaxis.set_major_formatter(ScalarFormatter())
        if name == "epochs":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=2))
        axes.set(xlabel=name, ylabel="validation accuracy" if name == "lr" else "")
        axes.margins(x=0.15)
    figure.axes[0].legend(title=None, loc="lower left", fontsize="x-small")
    return figure
