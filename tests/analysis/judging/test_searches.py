import pandas as pd
import pytest

from analysis.judging.searches import band, best_so_far

TRIALS = pd.DataFrame(
    {
        "trial": [3, 0, 1, 2, 4],
        "state": ["complete", "pruned", "complete", "complete", "diverged"],
        "val_accuracy": [0.7, 0.9, 0.5, 0.5, 0.95],
        "cost": [40.0, 10.0, 20.0, float("nan"), 5.0],
        "copy": [False, False, False, True, False],
    }
)


def test_only_complete_trials_are_the_best_and_all_cost_but_copies():
    found = best_so_far(TRIALS)
    assert found["trials"].tolist() == [2, 3, 4, 5], "trial 0 was pruned"
    assert found["cost"].tolist() == [30.0, 30.0, 70.0, 75.0]
    assert found["best"].tolist() == [0.5, 0.5, 0.7, 0.7]
    assert best_so_far(TRIALS.assign(cost=float("nan")))["cost"].isna().all(), "of an earlier version"


def test_a_band_spans_what_each_search_had_found_by_then():
    one = pd.DataFrame({"trials": [1, 2, 3], "cost": [1.0, 5.0, 9.0], "best": [0.2, 0.6, 0.8]})
    other = pd.DataFrame({"trials": [2, 3, 4], "cost": [4.0, 6.0, 8.0], "best": [0.4, 0.4, 1.0]})
    by_trials = band([one, other], "trials")
    assert by_trials["trials"].tolist() == [2, 3]
    assert by_trials[["least", "greatest"]].values.tolist() == [[0.4, 0.6], [0.4, 0.8]]
    assert by_trials["mean"].tolist() == pytest.approx([0.5, 0.6])
    by_cost = band([one, other], "cost")
    assert by_cost["cost"].tolist() == [4.0, 5.0, 6.0, 8.0]
    assert by_cost["least"].tolist() == [0.2, 0.4, 0.4, 0.6] and by_cost["greatest"].tolist() == [0.4, 0.6, 0.6, 1.0]
