import math
import re

import pandas as pd
import pytest

from analysis.judging import differences as differences_module
from analysis.judging import verdicts
from analysis.judging.stats import Effect
from analysis.judging.verdicts import RULE, Bounds, bounds, decide, shown
from harness.claims.estimands import Estimand


def estimand(**changes):
    fields = {
        "name": "e", "words": "w {effect}", "question": "lesson", "measure": "train_accuracy", "compare": "difference",
        "arms": ["a", "b"], "claimed": 5.0, "margin": 1.0,
    }  # fmt: skip
    return Estimand(**{name: field for name, field in (fields | changes).items() if field is not None})


def effect(low, high):
    return Effect(10, (low + high) / 2, 1.0, low, high, "mean, t", 0.01, 1.0, 0, 0)


FIVE = bounds(estimand())
AT_LEAST = bounds(estimand(claimed=None, margin=None, smallest_effect=2.0))
AT_MOST = bounds(estimand(claimed=None, margin=None, smallest_effect=-2.0))


@pytest.mark.parametrize(
    ("low", "high", "limits", "equivalent", "finding", "label"),
    [
        (4.2, 5.8, FIVE, False, "as claimed", "reproduced"),
        (3.5, 5.8, FIVE, False, "of uncertain size", "direction only"),
        (1.3, 1.7, FIVE, False, "smaller than claimed", "direction only"),
        (7.0, 8.0, FIVE, False, "larger than claimed", "direction only"),
        (-0.2, 0.3, FIVE, True, "negligible", "not reproduced"),
        (0.1, 0.3, FIVE, True, "too small to matter", "not reproduced"),
        (-3.0, -1.0, FIVE, False, "reversed", "not reproduced"),
        (-1.0, 5.0, FIVE, False, "undecided", "inconclusive"),
        (-3.0, 0.9, FIVE, False, "not found", "not reproduced"),
        (-0.3, -0.1, FIVE, True, "too small to matter", "not reproduced"),
        (2.1, 9.0, AT_LEAST, False, "as claimed", "reproduced"),
        (1.0, 9.0, AT_LEAST, False, "of uncertain size", "direction only"),
        (1.0, 1.5, AT_LEAST, False, "smaller than claimed", "direction only"),
        (-9.0, -1.0, AT_LEAST, False, "reversed", "not reproduced"),
        (-1.0, 9.0, AT_LEAST, False, "undecided", "inconclusive"),
        (2.5, math.inf, AT_LEAST, False, "as claimed", "reproduced"),
        (-9.0, -2.1, AT_MOST, False, "as claimed", "reproduced"),
        (-9.0, -0.5, AT_MOST, False, "of uncertain size", "direction only"),
        (-1.5, -0.5, AT_MOST, False, "smaller than claimed", "direction only"),
        (0.5, 9.0, AT_MOST, False, "reversed", "not reproduced"),
    ],
)
def test_the_rule_of_verdicts(low, high, limits, equivalent, finding, label):
    assert decide(effect(low, high), limits, equivalent) == finding
    assert RULE[finding][0] == label


def test_pairs_without_a_value_are_named_where_they_leave_it_open():
    evidence = Evidence(
        {"a": dict.fromkeys(range(10), math.inf), "b": {s: math.inf if s < 9 else 1.0 for s in range(10)}}
    )
    verdict = verdicts.judge(evidence, estimand(compare="log_ratio", claimed=2.0, margin=0.5))
    assert verdict.label == "inconclusive"
    assert verdict.reason == "too few pairs have a number; 9 of 10 pairs have no value"


def test_bounds_of_a_ratio_are_logarithms_and_are_told_as_factors():
    ratio = estimand(compare="log_ratio", claimed=None, margin=None, smallest_effect=1.5)
    assert bounds(ratio) == Bounds(math.log(1.5), math.inf, math.log(1.5), 1)
    fewer = estimand(compare="log_ratio", claimed=None, margin=None, smallest_effect=0.5)
    assert bounds(fewer) == Bounds(-math.inf, math.log(0.5), math.log(2), -1)
    assert shown(ratio, math.log(3)) == pytest.approx(3)


class Evidence:
    """Typed-in values in the place of tracked runs: arm → seed → value."""

    name = "c"

    def __init__(self, values, along=None, diverged=()):
        self.values = values
        self.along = along or {}
        self.diverged = diverged
        self.claim = self

    def arm_names(self, patterns):
        return [arm for arm in self.values if arm in patterns]

    def of(self, arms):
        rows = [(arm, seed) for arm in arms for seed in self.values[arm]]
        return pd.DataFrame(
            {
                "batch_size": [self.along.get(arm) for arm, _ in rows],
                "lr": [self.along.get(arm) for arm, _ in rows],
                "seed": [seed for _, seed in rows],
                "state": ["diverged" if row in self.diverged else "complete" for row in rows],
                "run_id": [f"{arm} {seed}" for arm, seed in rows],
            }
        )

    def curve(self, run_id, metric):
        assert metric == "epoch_updates"
        return pd.Series({1: 30.0, 2: float(run_id.split()[1])})


@pytest.fixture(autouse=True)
def typed_values(monkeypatch):
    for module in (differences_module, verdicts):
        monkeypatch.setattr(
            module, "measure", lambda evidence, name, at, arm: pd.Series(evidence.values[arm], dtype=float)
        )


def differences(evidence, **changes):
    return differences_module.paired_differences(evidence, estimand(**changes)).to_dict()


def test_differences_pair_the_same_seeds_in_the_order_of_the_arms():
    evidence = Evidence({"b": {1: 1.0, 2: 5.0}, "a": {2: 7.0, 1: 4.0}})
    assert differences(evidence) == {1: 3.0, 2: 2.0}
    assert differences(evidence, compare="value", arms=["a"]) == {2: 7.0, 1: 4.0}


def test_a_ratio_with_a_run_that_never_got_there_is_infinite_and_with_two_undefined():
    evidence = Evidence({"a": {1: math.inf, 2: 8.0, 3: math.inf}, "b": {1: 4.0, 2: 4.0, 3: math.inf}})
    found = differences(evidence, compare="log_ratio")
    assert found[1] == math.inf and found[2] == pytest.approx(math.log(2)) and math.isnan(found[3])


def test_a_ratio_of_what_has_no_logarithm_is_undefined():
    evidence = Evidence({"a": {1: -2.0, 2: 0.0}, "b": {1: 4.0, 2: 4.0}})
    found = differences(evidence, compare="log_ratio", claimed=2.0, margin=0.5)
    assert math.isnan(found[1]) and found[2] == -math.inf


def test_an_inconclusive_verdict_asks_for_more_seeds_than_there_were():
    evidence = Evidence({"a": {s: 0.7 + 0.95 * (-1) ** s for s in range(10)}, "b": dict.fromkeys(range(10), 0.0)})
    verdict = verdicts.judge(evidence, estimand(claimed=None, margin=None, smallest_effect=1.2))
    assert (verdict.label, verdict.needed) == ("inconclusive", 11)


def test_a_slope_is_taken_along_a_field_for_each_seed():
    evidence = Evidence({"x": {1: 8.0}, "y": {1: 4.0}, "z": {1: 2.0}}, along={"x": 1, "y": 2, "z": 4})
    assert differences(evidence, compare="slope", along="batch_size", arms=["x", "y", "z"])[1] == pytest.approx(-1)


def test_a_valley_is_measured_at_the_inner_arm_that_is_best_for_the_other_seeds():
    """Seed 1's own best is n, but seeds 2 and 3 say m: 3 − 2 = 1, not 3 − 0."""
    values = {"l": {1: 4.0, 2: 4.0, 3: 4.0}, "m": {1: 2.0, 2: 1.0, 3: 1.0}, "n": {1: 0.0, 2: 2.0, 3: 2.0},
              "o": {1: 3.0, 2: math.inf, 3: 3.0}}  # fmt: skip
    evidence = Evidence(values, along={"l": 0.01, "m": 0.1, "n": 1.0, "o": 10.0})
    found = differences(evidence, compare="valley", along="lr", measure="train_loss", arms=list(values))
    assert found == {1: 1.0, 2: 4.0 - 2.0, 3: 3.0 - 2.0}


FAMILY = {
    "small": {1: 0.9, 2: 0.9, 3: 0.9},
    "middle": {1: 0.5, 2: 0.7, 3: math.inf},
    "large": {1: 0.6, 2: 0.6, 3: math.inf},
}
LRS = {"small": 0.1, "middle": 0.2, "large": 0.4}


def test_the_best_lr_is_that_of_the_lowest_loss_and_one_that_diverged_is_none():
    best = {"compare": "value", "along": "lr", "take": "best", "measure": "train_loss", "arms": ["*"]}
    evidence = Evidence(FAMILY, along=LRS)
    evidence.arm_names = lambda patterns: list(FAMILY)
    assert differences(evidence, **best) == {1: 0.2, 2: 0.4, 3: 0.1}
    evidence.values = {arm: dict.fromkeys((1, 2), math.inf) | {3: FAMILY[arm][3]} for arm in FAMILY}
    found = differences(evidence, **best)
    assert found[3] == 0.1 and math.isnan(found[1])


def test_the_largest_lr_that_a_run_survives_is_compared_between_two_families():
    values = {f"{family} {arm}": seeds for family in "ab" for arm, seeds in FAMILY.items()}
    values["b large"] = {1: 0.6, 2: 0.9, 3: 0.9}
    values["b middle"] = {1: 0.6, 2: 0.9, 3: 0.7}
    evidence = Evidence(values, along={f"{family} {arm}": lr for family in "ab" for arm, lr in LRS.items()})
    evidence.arm_names = lambda patterns: [arm for arm in values if arm[0] == patterns[0][0]]
    largest = {"compare": "log_ratio", "along": "lr", "take": "largest", "below": 0.8, "measure": "train_loss",
               "arms": ["a *", "b *"], "claimed": 2.0, "margin": 0.5}  # fmt: skip
    found = differences(evidence, **largest)
    assert found[1] == 0.0, "both survive all"
    assert math.isnan(found[2]), "b survives none under seed 2"
    assert math.isnan(found[3]), "a survives none under seed 3: 0.9 at the smallest is no survival"
    found = differences(evidence, **largest | {"below": 1.0})
    assert found[3] == pytest.approx(math.log(0.1 / 0.4))


def test_a_spread_compares_standard_deviations_of_logarithms_and_is_told_as_a_factor():
    evidence = Evidence({"a": {1: math.e, 2: math.e**3, 3: math.e**5}, "b": {1: math.e, 2: math.e**2, 3: math.e**3}})
    spread = {"compare": "spread", "measure": "updates_to_loss", "at": 0.6, "claimed": 2.0, "margin": 0.5}
    assert list(differences(evidence, **spread).values()) == pytest.approx([math.log(2)] * 3)
    assert shown(estimand(**spread), math.log(2)) == pytest.approx(2.0) and estimand(**spread).unit == "×"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"compare": "value", "arms": ["a *"], "take": "best"}, "along is None: a slope, a valley or take needs it"),
        ({"compare": "value", "arms": ["a *"], "along": "lr"}, "along is 'lr': a slope, a valley or take needs it"),
        ({"compare": "value", "arms": ["a *"], "take": "largest", "along": "lr"}, "below is None"),
        ({"compare": "value", "arms": ["a *"], "take": "best", "along": "lr", "below": 1.0}, "below is 1.0"),
        ({"compare": "spread", "take": "best", "along": "lr"}, "take is 'best': a spread takes none"),
        ({"compare": "spread", "claimed": 1.0, "margin": 0.5}, "claimed is 1, which says no effect for a spread"),
        ({"compare": "spread", "arms": ["a", "b", "c"]}, "a spread compares two"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        estimand(**changes)


def test_pairs_without_a_number_are_counted_by_their_reason():
    """Seed 1: a run diverged. 2 and 3: a run did not get there. 4 has a number. 5: both got there at once, ln 0."""
    values = {
        "a": {1: math.inf, 2: math.inf, 3: 8.0, 4: 8.0, 5: 0.0},
        "b": {1: math.inf, 2: 4.0, 3: math.inf, 4: 4.0, 5: 0.0},
    }
    to_loss = {"measure": "updates_to_loss", "at": 0.6, "compare": "log_ratio", "claimed": 2.0, "margin": 0.5}
    found = verdicts.judge(Evidence(values, diverged=[("a", 1)]), estimand(**to_loss))
    assert found.lost == (1, 2, 33, 1), "run b 3 has 33 updates, and run a 2 has 32"
    whole = Evidence({"a": {1: 8.0, 2: 9.0}, "b": {1: 4.0, 2: 4.0}}, diverged=[("a", 1)])
    assert verdicts.judge(whole, estimand(**to_loss)).lost == (0, 0, 0, 0)
    without_target = Evidence({"a": {1: math.nan, 2: 9.0}, "b": {1: 4.0, 2: 4.0}})
    assert verdicts.judge(without_target, estimand()).lost == (0, 0, 0, 1)


def test_updates_are_those_of_the_run_that_did_not_get_there():
    values = {"a": {7: math.inf, 8: 8.0}, "b": {7: 4.0, 8: 4.0}}
    evidence = Evidence(values)
    evidence.curve = lambda run_id, metric: pd.Series({1: 70.0 if run_id == "a 7" else 300.0})
    to_loss = {"measure": "updates_to_loss", "at": 0.6, "compare": "log_ratio", "claimed": 2.0, "margin": 0.5}
    assert verdicts.judge(evidence, estimand(**to_loss)).lost == (0, 1, 70, 0)
