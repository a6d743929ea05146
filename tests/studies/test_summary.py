from collections import Counter

from harness.studies.summary import Summary, accuracy_text, importances_text, markdown, states_text, warnings
from harness.studies.trial import Outcome, Trial
from harness.studies.winner import WinnerRun

PARAMS = {"lr": 0.99, "gamma": 0.5, "batch_size": 128, "epochs": 3, "batch_norm": True}
BEST = Trial(4, PARAMS, Outcome("complete", "", (0.7, 0.9, 0.8), 2.0, "run 4"))
OTHER = Trial(5, PARAMS, Outcome("complete", "", (0.6, 0.75), 2.0, "run 5"))
PRUNED = Trial(6, PARAMS, Outcome("pruned", "", (0.1,), 1.0, "run 6"))
WINNER = [WinnerRun("a", 421, 0.88, "models:/m"), WinnerRun("b", 422, 0.89, ""), WinnerRun("c", 423, 0.90, "")]
SUMMARY = Summary(
    "study", BEST, [OTHER, BEST, PRUNED], Counter(complete=2, pruned=1), 1, {"lr": 0.75, "gamma": 0.25},
    {"lr": "high"}, WINNER, 5.0,
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
    assert importances_text(SUMMARY) == "lr 75%, gamma 25%"
    assert importances_text(SUMMARY._replace(importances={})).startswith("not computed: it needs 4 complete trials")


def test_a_value_at_the_edge_is_a_warning():
    assert warnings(SUMMARY) == ["the best lr (0.99) is at the high edge of its range; widen it"]


def test_the_description_is_a_table_of_the_complete_trials_best_first():
    rows = [line for line in markdown(SUMMARY).splitlines() if line.startswith(("| 4", "| 5", "| 6"))]
    assert rows == [
        "| 4 | 0.8000 | 2 | 0.99 | 0.5 | 128 | 3 | on |",
        "| 5 | 0.7500 | 2 | 0.99 | 0.5 | 128 | 3 | on |",
    ]
    assert "mean ± sd of 3 fresh runs | 0.8900 ± 0.0100 (0.8800, 0.8900, 0.9000) |" in markdown(SUMMARY)
