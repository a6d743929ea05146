import math

import pytest
from support.verdict_example import verdict

from analysis.judging.verdicts import Lost
from analysis.rendering.formatting import (
    beyond,
    claimed,
    condition,
    effect,
    elsewhere,
    lost,
    number,
    p_value,
    sentence,
    signed,
)


@pytest.mark.parametrize(
    ("value", "text"), [(5.4321, "5.43"), (-0.138, "−0.138"), (math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "–"),
                        (-1e-15, "0"), (1234.5, "1,230"), (999.9, "1,000"), (-2e7, "−2e+07")]
)  # fmt: skip
def test_a_number_has_three_digits(value, text):
    assert number(value) == text


def test_a_sentence_holds_the_effect_and_says_what_is_missing():
    assert sentence(verdict()) == "Norm adds 5 points."
    assert sentence(verdict("undecided", needed=31)) == "Norm adds 5 points. About 31 seeds would settle it."
    told = sentence(verdict("reversed", -math.inf, lost=Lost(10, 0, 0, 0)))
    assert told == "Norm adds … points: no number, as 10 of 10 pairs hold a run that diverged."
    assert effect(verdict()) == "5 points [4, 6]"


def test_other_conditions_are_grouped_by_what_becomes_of_the_effect():
    told = elsewhere(
        [
            verdict(when=None),
            verdict("negligible", 0.1, when="at lr 0.5"),
            verdict("as claimed", 5.5, when="at batch 32"),
            verdict("negligible", 0.2, when="at lr 1"),
            verdict("too small to matter", 0.3, when="at batch 4"),
            verdict("larger than claimed", 9.0, when="at lr 0.01"),
            verdict("reversed", -math.inf, when="in epoch {at}", at=2.0, lost=Lost(10, 0, 0, 0)),
            verdict("smaller than claimed", 1.0),
            verdict("undecided", 2.0, needed=31),
            verdict("smaller than claimed", 1.0, question="control"),
        ]
    )
    assert told == [
        ("as claimed", "at batch 32: 5.5 points [4.5, 6.5]"),
        ("larger than claimed", "at lr 0.01: 9 points [8, 10]"),
        ("too small to matter", "at batch 4: 0.3 points [−0.7, 1.3]"),
        ("negligible", "at lr 0.5: 0.1 points [−0.9, 1.1]; at lr 1: 0.2 points [−0.8, 1.2]"),
        ("reversed", "in epoch 2: 10 of 10 pairs hold a run that diverged"),
        (
            "but:",
            "Norm adds 1 points (smaller than claimed). Norm adds 2 points. About 31 seeds would settle it (undecided)",
        ),
    ]


def test_a_summary_names_the_conditions_under_which_the_finding_is_another_one():
    told = beyond(
        [
            verdict(when=None),
            verdict("as claimed", when="at batch 32"),
            verdict("reversed", -3.0, when="for momentum 0.99"),
            verdict("larger than claimed", 9.0, when="at lr 0.01"),
            verdict("larger than claimed", 9.0, when="at batch 1,024"),
            verdict("undecided", 1.0),
        ]
    )
    assert told == [
        ("larger than claimed", "at lr 0.01; at batch 1,024"),
        ("reversed", "for momentum 0.99"),
        ("but:", "Norm adds 1 points (undecided)"),
    ]
    primary = verdict("reversed")
    primary = primary._replace(estimand=primary.estimand.model_copy(update={"primary": True}))
    reversed_but_for_one = [
        primary,
        verdict("as claimed", when="at lr 0.5"),
        verdict("reversed", when="at lr 1"),
    ]
    assert beyond(reversed_but_for_one) == [("as claimed", "at lr 0.5")]


def test_a_name_keeps_its_decimals():
    estimand = verdict().estimand.model_copy(update={"name": "lr_1_against_0_1"})
    assert condition(estimand) == "lr 1 against 0.1"


def test_what_was_claimed_is_told_with_its_side_and_unit():
    two_sided = verdict().estimand
    ratio = two_sided.model_copy(
        update={"compare": "log_ratio", "claimed": None, "margin": None, "smallest_effect": 1.5}
    )
    fewer = ratio.model_copy(update={"smallest_effect": 0.5})
    slope = ratio.model_copy(update={"compare": "slope", "smallest_effect": -0.05})
    assert [claimed(each) for each in (two_sided, ratio, fewer, slope)] == [
        "5 ± 1 points", "at least 1.5 ×", "at most 0.5 ×", "at most −0.05 (slope)",
    ]  # fmt: skip
    assert (signed(0.414, 2), signed(-0.44, 1)) == ("+0.41", "−0.4")


def test_a_p_value_is_told_with_holms_where_there_is_one():
    assert p_value(verdict()) == "0.002"
    assert p_value(verdict()._replace(holm=0.014)) == "0.002 (Holm 0.014)"


def test_a_run_that_diverged_is_told_from_one_that_did_not_get_there():
    both = verdict(value=math.nan, measure="updates_to_loss", at=0.6, lost=Lost(1, 2, 1564, 0))
    assert lost(both) == (
        "1 of 10 pairs hold a run that diverged and 2 of 10 pairs hold a run that did not reach a loss of 0.6 within"
        " 1,564 updates"
    )
    assert lost(verdict(value=math.nan, lost=Lost(0, 0, 0, 2))) == (
        "2 of 10 pairs hold a run for which this measure has no meaning"
    )
