from collections import Counter

import numpy as np
import optuna
import pytest

from harness.studies.importances import Importance, importances
from harness.studies.summary import Summary, accuracy_text, importances_text, markdown, states_text, warnings
from harness.studies.trial import Outcome, Trial
from harness.studies.winner import WinnerRun

PARAMS = {"lr": 0.99, "gamma": 0.5, "batch_size": 128, "epochs": 3, "batch_norm": True}
BEST = Trial(4, PARAMS, Outcome("complete", "", (0.7, 0.9, 0.8), 2.0, "run 4"))
OTHER = Trial(5, PARAMS, Outcome("complete", "", (0.6, 0.75), 2.0, "run 5"))
PRUNED = Trial(6, PARAMS, Outcome("pruned", "", (0.1,), 1.0, "run 6"))
WINNER = [WinnerRun("a", 421, 0.88, "models:/m"), WinnerRun("b", 422, 0.89, ""), WinnerRun("c", 423, 0.90, "")]
SUMMARY = Summary(
    "study", BEST, [OTHER, BEST, PRUNED], Counter(complete=2, pruned=1), 1,
    {"lr": Importance(0.75, 0.5, 0.9), "gamma": Importance(0.25, 0.004, 0.5)}, {"lr": "high"}, WINNER, 5.0,
)  # fmt: skip


def test_the_spread_is_the_sample_standard_deviation():
    assert accuracy_text(SUMMARY) == "0.8900 ± 0.0100 (0.8800, 0.8900, 0.9000)"
    assert accuracy_text(SUMMARY._replace(winner=WINNER[:1])) == "0.8800"
    assert accuracy_text(SUMMARY._replace(winner=[])) == "not tested"


def test_a_winner_that_diverges_has_no_mean():
    diverged = WinnerRun("d", 422, None, "")
    summary = SUMMARY._replace(winner=[WINNER[0], diverged, WINNER[2]])
    assert accuracy_text(summary) == "no mean: 1 of 3 fresh runs diverged, the others have 0.8800, 0.9000"
    assert warnings(summary)[0].startswith("1 of the winner's 3 fresh runs diverged: the best config is unstable")
    assert accuracy_text(summary._replace(winner=[diverged] * 3)) == "no mean: 3 of 3 fresh runs diverged"
    assert "no mean: 1 of 3 fresh runs diverged" in markdown(summary)


def test_states_are_counted_in_words():
    assert states_text(SUMMARY) == ("3 trials: 2 complete, 1 pruned; 1 repeat an earlier config, not trained again")


def test_importances_are_shares_or_a_reason():
    assert importances_text(SUMMARY) == "lr 75% [50, 90], gamma 25% [0, 50]"
    assert importances_text(SUMMARY._replace(importances={})).startswith(
        "not shown: with fewer than 20 complete trials"
    )


def test_a_value_at_the_edge_is_a_warning():
    assert warnings(SUMMARY) == ["the best lr (0.99) is at the high edge of its range; widen it"]


def test_the_description_is_a_table_of_the_complete_trials_best_first():
    rows = [line for line in markdown(SUMMARY).splitlines() if line.startswith(("| 4", "| 5", "| 6"))]
    assert rows == [
        "| 4 | 0.8000 | 2 | 0.99 | 0.5 | 128 | 3 | on |",
        "| 5 | 0.7500 | 2 | 0.99 | 0.5 | 128 | 3 | on |",
    ]
    assert "mean ± sd of 3 fresh runs | 0.8900 ± 0.0100 (0.8800, 0.8900, 0.9000) |" in markdown(SUMMARY)


def study_of(count, value):
    """A study of random trials with these values of two parameters."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, rng = optuna.create_study(direction="maximize"), np.random.default_rng(0)
    uniform = optuna.distributions.FloatDistribution(0, 1)
    for x, y in rng.random((count, 2)).tolist():
        params, distributions = {"x": x, "y": y}, {"x": uniform, "y": uniform}
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=value(x, y)))
    return study


def test_an_importance_has_an_interval_that_few_trials_widen():
    few, many = (importances(study_of(count, lambda x, y: x + y / 2)) for count in (20, 400))
    for found in (few, many):
        assert sum(share for share, _, _ in found.values()) == pytest.approx(1)
        assert all(0 <= low <= share <= high <= 1 for share, low, high in found.values())
    assert list(many) == ["x", "y"]
    assert few["x"].high - few["x"].low > 2 * (many["x"].high - many["x"].low)


def test_too_few_trials_or_equal_ones_have_no_importances():
    assert importances(study_of(19, lambda x, y: x)) == {}
    assert importances(study_of(20, lambda x, y: 0.5)) == {}
