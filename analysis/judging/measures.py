"""Computes the measures listed in harness/claims/estimands.py from the metric curves of a run.

A measure of a run is a float. A run that never reached its target has ±∞, on the worse side. A run for which the
measure has no meaning has NaN.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from analysis.evidence.claims import Evidence
from analysis.judging.measured_run import Run, present
from analysis.judging.search_measures import best_accuracy, best_accuracy_by_cost, trials_to, winner_accuracy
from harness.claims.curves import steps_to
from harness.claims.estimands import MEASURES
from harness.core.errors import UserError

_SMOOTHED = 10  # epochs


def measure(evidence: Evidence, name: str, at: float | None, arm: str) -> "pd.Series[float]":
    """The measure `name` of every run of an arm, by seed.

    Raises `UserError` where a complete run lacks what the measure is made from.
    """
    values = {}
    for row in evidence.of([arm]).to_dict("records"):
        run_id = str(row["run_id"])
        run = Run(run_id, row["state"] == "diverged", row, partial(evidence.curve, run_id))
        values[int(row["seed"])] = _MEASURES[name](run, at)
    return pd.Series(values, dtype=float)


def at_step(curve: "pd.Series[float]", step: float) -> float:
    """The value of a curve at a step, linear between its points. NaN outside of them."""
    return float(np.interp(step, curve.index.to_numpy(dtype=float), curve.to_numpy(), left=math.nan, right=math.nan))


def log_slope(curve: "pd.Series[float]") -> float:
    """The least-squares slope of log(value) on log(step). NaN unless all values are finite and above 0."""
    values = curve.to_numpy(dtype=float)
    if not np.all(np.isfinite(values)) or np.any(values <= 0):
        return math.nan
    return float(stats.linregress(np.log(curve.index.to_numpy(dtype=float)), np.log(values)).slope)


def unbiased_covariance(curve: "pd.Series[float]", images: int) -> "pd.Series[float]":
    """tr Cov(g_B) by B without the factor (n − B)/(n − 1) of drawing without replacement: expected to fall as 1/B."""
    sizes = curve.index.to_numpy(dtype=float)
    return pd.Series(curve.to_numpy() * (images - 1) / (images - sizes), index=curve.index)


def _updates_to_loss(run: Run, at: float | None) -> float:
    assert at is not None
    if run.diverged:  # it may have got there before
        return _steps_to(run.curve("probe_loss"), at)
    return _steps_to(present(run, "probe_loss"), at)


def _steps_to(curve: "pd.Series[float]", target: float) -> float:
    return steps_to(zip(curve.index.astype(float).tolist(), curve.tolist(), strict=True), target)


def _seconds_per_update(run: Run, _at: float | None) -> float:
    if run.diverged:
        return math.nan
    return float(present(run, "epoch_seconds").sum() / present(run, "epoch_updates").sum())


def _seconds_to_loss(run: Run, at: float | None) -> float:
    updates = _updates_to_loss(run, at)
    return updates * _seconds_per_update(run, None) if math.isfinite(updates) else math.inf


def _examples_to_loss(run: Run, at: float | None) -> float:
    return _updates_to_loss(run, at) * float(run.config["batch_size"])


def _by_epoch(metric: str, factor: float, worst: float) -> Callable[[Run, float | None], float]:
    def value(run: Run, at: float | None) -> float:
        if run.diverged:
            return worst
        curve = present(run, metric)
        if at is None:
            at = float(curve.index[-1])
            if run.config["updates"] is None and at != run.config["epochs"]:
                raise UserError(f"run {run.run_id} has {metric} of {at:g} epochs only: its records were altered")
        found = curve[curve.index == at]
        if not len(found):
            raise UserError(f"run {run.run_id} has no {metric} of epoch {at:g}: it was not run so long")
        return float(found.iloc[0]) * factor

    return value


def _cumulative_accuracy(run: Run, at: float | None) -> float:
    """The lesson's own: correct predictions over all images trained on so far, in points. Epochs are equally long."""
    if run.diverged:
        return -math.inf
    curve = present(run, "train_accuracy")
    return float(curve[curve.index <= (at or math.inf)].mean()) * 100


def _test_accuracy(run: Run, at: float | None) -> float:
    return winner_accuracy(run) if run.is_search else _by_epoch("test_accuracy", 100, -math.inf)(run, at)


def _generalization_gap(run: Run, at: float | None) -> float:
    """Training accuracy minus that on unseen images (test where it was watched, else validation), in points."""
    if run.diverged:
        return math.nan
    unseen = "test_accuracy" if len(run.curve("test_accuracy")) else "val_accuracy"
    return _by_epoch("train_accuracy", 100, math.nan)(run, at) - _by_epoch(unseen, 100, math.nan)(run, at)


def _probe_loss(run: Run, at: float | None) -> float:
    if run.diverged:
        return math.inf
    curve = present(run, "probe_loss")
    return at_step(curve, at or float(curve.index[-1]))


def _probe_value(metric: str) -> Callable[[Run, float | None], float]:
    """The value of a probe metric after update `at`, or after the last one; NaN for a run that diverged before."""

    def value(run: Run, at: float | None) -> float:
        curve = run.curve(metric)
        if run.diverged and (at is None or not len(curve) or float(curve.index[-1]) < at):
            return math.nan
        curve = present(run, metric)
        return at_step(curve, at or float(curve.index[-1]))

    return value


def _path_ratio(run: Run, at: float | None) -> float:
    """Path length over distance from the start: 1 for a straight line."""
    return _probe_value("path_length")(run, at) / _probe_value("displacement")(run, at)


def _path_ratio_by_examples(run: Run, at: float | None) -> float:
    assert at is not None
    return _path_ratio(run, math.ceil(at / float(run.config["batch_size"])))


def _step_gain(run: Run, at: float | None) -> float:
    """Path length over Σ η‖g‖, the length of the same gradients' path without momentum: 1 without, up to 1/(1 − γ)."""
    return _probe_value("path_length")(run, at) / _probe_value("gradient_path")(run, at)


def _covariance_slope(when: str) -> Callable[[Run, float | None], float]:
    def value(run: Run, _at: float | None) -> float:
        if run.diverged:
            return math.nan
        images = int(present(run, f"gradient_square_{when}").index[0])
        return log_slope(unbiased_covariance(present(run, f"gradient_covariance_{when}"), images))

    return value


def _excess_loss(run: Run, _at: float | None) -> float:
    """Loss at the last epoch minus that at the best one, on the half of the validation images that did not pick it."""
    if run.diverged:
        return math.inf
    judged = present(run, "half_2_loss").to_numpy()
    return float(judged[-1] - judged[_best_epoch(run)])


def _excess_loss_smoothed(run: Run, _at: float | None) -> float:
    """The same for means of ten epochs in a row, which are less noisy. NaN for under 20 epochs."""
    if run.diverged:
        return math.inf
    halves = (present(run, f"half_{half}_loss") for half in (1, 2))
    picking, judged = (half.rolling(_SMOOTHED).mean().dropna().to_numpy() for half in halves)
    return float(judged[-1] - judged[picking.argmin()]) if len(judged) > _SMOOTHED else math.nan


def _excess_error_smoothed(run: Run, _at: float | None) -> float:
    """Accuracy lost from the ten epochs in a row of the lowest mean loss to the last ten. NaN for under 20 epochs."""
    if run.diverged:
        return math.inf
    picking, judged = (
        present(run, metric).rolling(_SMOOTHED).mean().dropna().to_numpy()
        for metric in ("half_1_loss", "half_2_accuracy")
    )
    return float(judged[picking.argmin()] - judged[-1]) * 100 if len(judged) > _SMOOTHED else math.nan


def _excess_error(run: Run, _at: float | None) -> float:
    """Accuracy lost between the same two epochs, in points."""
    if run.diverged:
        return math.inf
    judged = present(run, "half_2_accuracy").to_numpy()
    return float(judged[_best_epoch(run)] - judged[-1]) * 100


def _best_epoch(run: Run) -> int:
    """The position of the epoch with the lowest loss on the first half of the validation images."""
    return int(present(run, "half_1_loss").to_numpy().argmin())


def _global_basin(run: Run, _at: float | None) -> float:
    return float(present(run, "global_basin").iloc[-1])


_MEASURES: Mapping[str, Callable[[Run, float | None], float]] = {
    "updates_to_loss": _updates_to_loss,
    "examples_to_loss": _examples_to_loss,
    "seconds_to_loss": _seconds_to_loss,
    "seconds_per_update": _seconds_per_update,
    "train_loss": _by_epoch("train_loss", 1, math.inf),
    "train_accuracy": _by_epoch("train_accuracy", 100, -math.inf),
    "cumulative_accuracy": _cumulative_accuracy,
    "test_accuracy": _test_accuracy,
    "generalization_gap": _generalization_gap,
    "probe_loss": _probe_loss,
    "roughness": _probe_value("loss_variation"),  # Σ|ΔL| on fixed images
    "path_ratio": _path_ratio,
    "path_ratio_by_examples": _path_ratio_by_examples,
    "gradient_cosine": _probe_value("gradient_cosine"),
    "step_gain": _step_gain,
    "covariance_slope_start": _covariance_slope("start"),
    "covariance_slope_end": _covariance_slope("end"),
    "excess_loss": _excess_loss,
    "excess_loss_smoothed": _excess_loss_smoothed,
    "excess_error": _excess_error,
    "excess_error_smoothed": _excess_error_smoothed,
    "global_basin": _global_basin,
    "best_val_accuracy": best_accuracy,
    "best_val_accuracy_by_cost": best_accuracy_by_cost,
    "trials_to": trials_to,
}
assert _MEASURES.keys() == MEASURES.keys()
