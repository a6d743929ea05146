from collections import Counter

import numpy as np
import optuna
import pytest

from harness.core.defaults import LESSON
from harness.core.metrics import DatasetRecord
from harness.studies.finals import Candidate, FinalResults, FinalRun
from harness.studies.importances import Importance, importances
from harness.studies.model_card import model_card
from harness.studies.summary import (
    Summary,
    accuracy_text,
    confirmed_lines,
    gain_line,
    importances_text,
    markdown,
    states_text,
    warnings,
)
from harness.studies.trial import Outcome, Trial

PARAMS = {"lr": 0.99, "gamma": 0.5, "batch_size": 128, "epochs": 3, "batch_norm": True}
BEST = Trial(4, PARAMS, Outcome("complete", "", (0.7, 0.9, 0.8), 2.0, "run 4"))
OTHER = Trial(5, PARAMS, Outcome("complete", "", (0.6, 0.75), 2.0, "run 5"))
PRUNED = Trial(6, PARAMS, Outcome("pruned", "", (0.1,), 1.0, "run 6"))
WINNER = [FinalRun("a", 421, 0.88, "models:/m"), FinalRun("b", 422, 0.89, ""), FinalRun("c", 423, 0.90, "")]
LESSON_RUNS = [FinalRun("e", 421, 0.86, ""), FinalRun("f", 422, 0.875, ""), FinalRun("g", 423, 0.88, "")]
FINAL = FinalResults(BEST, [], WINNER, LESSON_RUNS, "")
SUMMARY = Summary(
    "study", [OTHER, BEST, PRUNED], Counter(complete=2, pruned=1), 1, 0,
    {"lr": Importance(0.75, 0.5, 0.9), "gamma": Importance(0.25, 0.004, 0.5)}, {"lr": "high"}, FINAL, 5.0,
)  # fmt: skip


def with_final(**changes):
    return SUMMARY._replace(final=FINAL._replace(**changes))


def test_the_spread_is_the_sample_standard_deviation():
    assert accuracy_text(SUMMARY) == "0.8900 ± 0.0100 (0.8800, 0.8900, 0.9000)"
    assert accuracy_text(with_final(tested=WINNER[:1])) == "0.8800"
    assert accuracy_text(with_final(tested=[])) == "not tested"


def test_a_winner_that_diverges_has_no_mean():
    diverged = FinalRun("d", 422, None, "")
    summary = with_final(tested=[WINNER[0], diverged, WINNER[2]])
    assert accuracy_text(summary) == "no mean: 1 of 3 fresh runs diverged, the others have 0.8800, 0.9000"
    assert warnings(summary)[0].startswith("1 of the winner's 3 fresh runs diverged: the best config is unstable")
    assert accuracy_text(with_final(tested=[diverged] * 3)) == "no mean: 3 of 3 fresh runs diverged"
    assert "no mean: 1 of 3 fresh runs diverged" in markdown(summary)


def test_states_are_counted_in_words():
    assert states_text(SUMMARY) == ("3 trials: 2 complete, 1 pruned; 1 repeat an earlier config, not trained again")


def test_importances_are_shares_or_a_reason():
    assert importances_text(SUMMARY) == "lr 75% [50, 90], gamma 25% [0, 50]"
    assert importances_text(SUMMARY._replace(importances={})).startswith(
        "not shown: with fewer than 20 complete trials"
    )


def test_a_value_at_the_edge_is_a_warning():
    assert warnings(SUMMARY) == [
        "the best lr (0.99) is at the high edge of its range; widen it in the search space (--space)"
    ]


def test_the_description_is_a_table_of_the_complete_trials_best_first():
    rows = [line for line in markdown(SUMMARY).splitlines() if line.startswith(("| 4", "| 5", "| 6"))]
    assert rows == [
        "| 4 | 0.8000 | 2 | 0.99 | 0.5 | 128 | 3 | on |",
        "| 5 | 0.7500 | 2 | 0.99 | 0.5 | 128 | 3 | on |",
    ]
    assert "mean ± sd of 3 fresh runs | 0.8900 ± 0.0100 (0.8800, 0.8900, 0.9000) |" in markdown(SUMMARY)


def test_the_gain_is_paired_by_seed_or_the_reason_why_there_is_none():
    # differences of 2, 1.5 and 2 points: mean 1.83, t interval (2 degrees of freedom, 4.303) of sd 0.289
    assert gain_line(SUMMARY) == "1.8 points [1.1, 2.6] over the lesson's setting"
    assert "| gain in test accuracy | 1.8 points [1.1, 2.6] over the lesson's setting |" in markdown(SUMMARY)
    shuffled = with_final(baseline=LESSON_RUNS[::-1])
    assert gain_line(shuffled) == gain_line(SUMMARY)
    same = [FinalRun("e", 421, 0.86, ""), FinalRun("f", 422, 0.895, ""), FinalRun("g", 423, 0.91, "")]
    assert gain_line(with_final(baseline=same)).endswith("over the lesson's setting, which may be chance")
    one = with_final(tested=WINNER[:1], baseline=LESSON_RUNS[:1])
    assert gain_line(one) == "2.0 points over the lesson's setting, with one seed and so without an interval"
    unstable = FinalRun("d", 422, None, "")
    for field, who in (("tested", "the winner"), ("baseline", "the lesson's setting")):
        summary = with_final(**{field: [WINNER[0], unstable, WINNER[2]]})
        assert gain_line(summary) == f"not known over the lesson's setting: {who} diverged with 1 of 3 seeds"
        assert summary.gain is None
    assert gain_line(with_final(baseline=[], no_baseline="batch_size is 128")).endswith(": batch_size is 128")
    lesson = with_final(winner=BEST._replace(params=LESSON), baseline=WINNER)
    assert gain_line(lesson) == "no trial beat the lesson's setting" and lesson.gain is None


def test_what_was_confirmed_is_ranked_by_its_mean_and_a_diverged_run_is_the_worst():
    candidates = [Candidate(BEST, (0.9, None)), Candidate(OTHER, (0.5, 0.6))]
    assert confirmed_lines(candidates) == [
        "trial 5    0.7500 in the search, 0.5500 with 2 fresh seeds (0.5000, 0.6000)",
        "trial 4    0.8000 in the search, 0.4500 with 2 fresh seeds (0.9000, diverged)",
    ]


def test_a_network_that_only_guesses_is_said_to_have_learned_nothing():
    assert states_text(SUMMARY._replace(guessing=2)).endswith("; 2 did not learn")
    guess = BEST._replace(outcome=BEST.outcome._replace(learned=False))
    assert warnings(with_final(winner=guess))[0].startswith("no trial learned: the best one only guesses")


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


def test_the_model_card_says_how_good_this_model_is_and_how_good_its_settings():
    record = DatasetRecord("digits", "ab" * 32, "", "", "digits 8×8: 1,251 training images", "digits")
    card = model_card(SUMMARY, WINNER[0], record)
    assert card.startswith("**0.8800 test accuracy on digits**: the winner of study `study` (trial 4, seed 421).")
    for part in ("What it is", "Data", "Training", "Test", "Limits"):
        assert f"**{part}.**" in card
    assert "digits 8×8: 1,251 training images. SHA-256 abababababab." in card
    assert "This model: 0.8800. The same settings with all fresh seeds: 0.8900 ± 0.0100 (0.8800" in card
    assert "lr 0.99 · gamma 0.5 · batch_size 128 · epochs 3 · batch_norm on" in card
    assert f"Gain: {gain_line(SUMMARY)}." in card
    assert "- the best lr (0.99) is at the high edge of its range; widen it in the search space (--space).\n" in card
