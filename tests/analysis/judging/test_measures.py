import math

import numpy as np
import pandas as pd
import pytest

from analysis.judging.measured_run import Run
from analysis.judging.measures import _MEASURES, at_step, log_slope, unbiased_covariance
from harness.claims.estimands import MEASURES
from harness.core.errors import UserError


def run(curves, diverged=False, batch_size=128):
    series = {name: pd.Series(values, dtype=float) for name, values in curves.items()}
    empty = pd.Series(dtype=float)
    epochs = max((max(values) for values in curves.values()), default=0)
    config = {"batch_size": batch_size, "updates": None, "epochs": epochs}
    return Run("id", diverged, config, lambda name: series.get(name, empty))


def value(name, curves, at=None, **others):
    return _MEASURES[name](run(curves, **others), at)


LOSS = {"probe_loss": {0: 2.3, 10: 1.0, 20: 0.5, 40: 0.7}, "epoch_seconds": {1: 2.0}, "epoch_updates": {1: 40.0}}
HALVES = {
    "half_1_loss": {1: 0.6, 2: 0.4, 3: 0.5},
    "half_2_loss": {1: 0.7, 2: 0.45, 3: 0.75},
    "half_2_accuracy": {1: 0.8, 2: 0.85, 3: 0.84},
}


@pytest.mark.parametrize(
    ("name", "at", "curves", "expected"),
    [
        ("updates_to_loss", 0.75, LOSS, 15.0),  # halfway from 1.0 at 10 to 0.5 at 20
        ("updates_to_loss", 0.5, LOSS, 20.0),
        ("updates_to_loss", 2.5, LOSS, 0.0),
        ("updates_to_loss", 0.4, LOSS, math.inf),
        ("examples_to_loss", 0.75, LOSS, 15.0 * 128),
        ("seconds_to_loss", 0.75, LOSS, 15.0 * 2.0 / 40.0),
        ("seconds_to_loss", 0.4, LOSS, math.inf),
        ("seconds_per_update", None, LOSS, 0.05),
        ("probe_loss", 15, LOSS, 0.75),
        ("probe_loss", None, LOSS, 0.7),
        ("train_accuracy", 2, {"train_accuracy": {1: 0.5, 2: 0.75, 3: 0.8}}, 75.0),
        ("train_accuracy", None, {"train_accuracy": {1: 0.5, 2: 0.75, 3: 0.8}}, 80.0),
        ("cumulative_accuracy", 2, {"train_accuracy": {1: 0.5, 2: 0.75, 3: 0.8}}, 62.5),
        ("train_loss", 1, {"train_loss": {1: 0.9, 2: 0.8}}, 0.9),
        ("generalization_gap", 1, {"train_accuracy": {1: 0.9}, "test_accuracy": {1: 0.85}}, 5.0),
        ("generalization_gap", 1, {"train_accuracy": {1: 0.9}, "val_accuracy": {1: 0.8}}, 10.0),
        ("path_ratio", 10, {"path_length": {5: 3.0, 10: 6.0}, "displacement": {5: 2.0, 10: 3.0}}, 2.0),
        ("path_ratio_by_examples", 640, {"path_length": {5: 3.0, 10: 6.0}, "displacement": {5: 2.0, 10: 3.0}}, 1.5),
        ("gradient_cosine", 10, {"gradient_cosine": {2: 0.5, 10: -0.25}}, -0.25),
        ("step_gain", 10, {"path_length": {5: 3.0, 10: 6.0}, "gradient_path": {5: 1.0, 10: 1.5}}, 4.0),
        ("roughness", 2, {"loss_variation": {1: 1.0, 2: 2.0}}, 2.0),
        ("excess_loss", None, HALVES, 0.75 - 0.45),  # half 1 picks epoch 2, half 2 is judged
        ("excess_error", None, HALVES, 1.0),
        ("global_basin", None, {"global_basin": {2_000: 1.0}}, 1.0),
    ],
)
def test_a_measure_by_hand(name, at, curves, expected):
    assert value(name, curves, at) == pytest.approx(expected)


def test_the_covariance_slope_takes_the_factor_of_drawing_without_replacement_out():
    sizes = np.array([1, 8, 32, 128, 512])
    curve = dict(zip(sizes, 40.0 / sizes * (1_000 - sizes) / 999, strict=True))
    curves = {"gradient_covariance_start": curve, "gradient_square_start": {1_000: 0.5}}
    assert value("covariance_slope_start", curves) == pytest.approx(-1.0)
    assert unbiased_covariance(pd.Series(curve), 1_000).loc[512] == pytest.approx(40 / 512)


def test_a_smoothed_excess_compares_means_of_ten_epochs():
    """Loss 1.0 for ten epochs, one lucky 0.0, then 0.5: the best ten in a row begin with the lucky one."""
    losses = [1.0] * 10 + [0.0] + [0.5] * 14
    halves = {f"half_{half}_loss": dict(enumerate(losses, start=1)) for half in (1, 2)}
    assert value("excess_loss", halves) == pytest.approx(0.5)
    assert value("excess_loss_smoothed", halves) == pytest.approx(0.05)  # (9 × 0.5 + 0)/10 = 0.45 against 0.5
    accurate = halves | {"half_2_accuracy": dict(enumerate([0.5] * 15 + [0.8] * 10, start=1))}
    # By loss epochs 11 to 20 are the best ten: half of them have 0.5, half 0.8; the last ten have 0.8.
    assert value("excess_error_smoothed", accurate) == pytest.approx(-15.0)
    few = {name: dict(list(curve.items())[:19]) for name, curve in halves.items()}
    assert math.isnan(value("excess_loss_smoothed", few))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("updates_to_loss", math.inf), ("train_loss", math.inf), ("test_accuracy", -math.inf), ("excess_loss", math.inf)],
)
def test_a_diverged_run_is_the_worst_and_never_zero(name, expected):
    assert value(name, {}, 0.5 if name == "updates_to_loss" else None, diverged=True) == expected


@pytest.mark.parametrize("name", ["path_ratio", "gradient_cosine", "step_gain", "roughness", "seconds_per_update"])
def test_a_measure_that_has_no_meaning_for_a_diverged_run_is_no_number(name):
    assert math.isnan(value(name, {}, 10, diverged=True))


def test_what_a_run_did_before_it_diverged_counts():
    assert value("updates_to_loss", LOSS, 0.75, diverged=True) == 15.0
    path = {"path_length": {5: 3.0, 10: 6.0}, "displacement": {5: 2.0, 10: 3.0}}
    assert value("path_ratio", path, 10, diverged=True) == 2.0
    assert math.isnan(value("path_ratio", path, 20, diverged=True))


def test_a_run_that_is_shorter_than_its_config_is_refused():
    short = run({"train_loss": {1: 0.9, 2: 0.8}})
    with pytest.raises(UserError, match="run id has train_loss of 2 epochs only"):
        _MEASURES["train_loss"](short._replace(config={"updates": None, "epochs": 3}), None)


def test_what_was_never_recorded_is_refused_by_name():
    with pytest.raises(UserError, match="run id has no probe_loss: its records were altered"):
        value("updates_to_loss", {}, 0.5)
    with pytest.raises(UserError, match="run id has no train_loss of epoch 5"):
        value("train_loss", {"train_loss": {1: 0.9}}, 5)


def test_every_measure_that_a_claim_may_name_is_there():
    assert _MEASURES.keys() == MEASURES.keys()


def test_curves_are_read_between_their_points_and_not_outside():
    curve = pd.Series({1: 1.0, 3: 2.0})
    assert at_step(curve, 2) == 1.5
    assert math.isnan(at_step(curve, 4))
    assert log_slope(pd.Series({1: 8.0, 2: 4.0, 4: 2.0})) == pytest.approx(-1)
    assert math.isnan(log_slope(pd.Series({1: 8.0, 2: -4.0})))


SEARCH = {
    "best_val_accuracy": {2: 0.85, 3: 0.85, 4: 0.88},  # the first trial was pruned
    "training_cost": {2: 3e9, 3: 4e9, 4: 9e9},
    "test_accuracy": {4: 0.875},
}


def searched(name, at=None, curves=SEARCH, diverged=False):
    series = {metric: pd.Series(values, dtype=float) for metric, values in curves.items()}
    return _MEASURES[name](Run("id", diverged, {"sampler": "tpe", "trials": 4}, series.__getitem__), at)


def test_a_search_is_measured_by_what_it_had_found():
    assert searched("best_val_accuracy") == 88 and searched("best_val_accuracy", 3) == 85
    assert searched("best_val_accuracy", 1) == -math.inf, "nothing was complete"
    assert searched("best_val_accuracy_by_cost", 8e9) == 85
    assert searched("best_val_accuracy_by_cost", 1e12) == 88, "it ended before, and keeps what it found"
    assert searched("best_val_accuracy_by_cost", 1e9) == -math.inf
    assert [searched("trials_to", at) for at in (80, 85, 86, 88, 88.1)] == [2, 2, 4, 4, math.inf]
    assert searched("test_accuracy") == 87.5


@pytest.mark.parametrize(
    ("name", "at", "worst"),
    [
        ("best_val_accuracy", None, -math.inf),
        ("best_val_accuracy_by_cost", 1e9, -math.inf),
        ("trials_to", 50, math.inf),
        ("test_accuracy", None, -math.inf),
    ],
)
def test_a_search_without_a_complete_trial_counts_as_the_worst(name, at, worst):
    assert searched(name, at, curves={}, diverged=True) == worst


def test_a_winner_that_may_diverge_counts_as_the_worst():
    assert searched("test_accuracy", curves={"test_accuracy": {4: math.nan}}) == -math.inf
