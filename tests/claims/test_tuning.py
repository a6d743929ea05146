import math

import pytest
from support.claim_store import tiny

from harness.claims.tuning import choose_lr, score, tuning_probes
from harness.core.metrics import EpochMetrics, Reading
from harness.tracking.reader import TrackedRun
from harness.tracking.schema import ARM, KIND, SCORE, STATE


def tried(lr, reached, state="complete"):
    tags = {KIND: "tuning", STATE: state, ARM: "tuned"}
    return TrackedRun("id", "name", "FINISHED", {"lr": str(lr)}, {} if reached is None else {SCORE: reached}, tags, 0)


def epoch(number, val_loss, *readings):
    return EpochMetrics(number, 0.5, 0.8, val_loss, 0.8, 0.1, 1.0, 10, readings=readings)


def test_the_lowest_score_chooses():
    assert choose_lr(tiny(), [tried(0.1, 0.5), tried(0.2, 0.45)]) == {"tuned": 0.2}


def test_nothing_is_chosen_before_all_were_tried():
    assert choose_lr(tiny(), [tried(0.1, 0.5)]) == {}
    assert choose_lr(tiny(), [tried(0.1, 0.5), tried(0.2, 0.45, state="interrupted")]) == {}


def test_a_run_without_a_score_has_an_infinite_one_and_the_lower_lr_wins_a_tie():
    assert choose_lr(tiny(), [tried(0.1, 9.0), tried(0.2, None, state="diverged")]) == {"tuned": 0.1}
    assert choose_lr(tiny(), [tried(0.1, 9.0), tried(0.2, None)]) == {"tuned": 0.1}
    assert choose_lr(tiny(), [tried(0.2, 0.5), tried(0.1, 0.5)]) == {"tuned": 0.1}
    assert choose_lr(tiny(), [tried(0.2, None), tried(0.1, None)]) == {"tuned": 0.1}


def test_without_a_target_the_last_validation_loss_is_the_score():
    arm = tiny().arms["tuned"]
    assert tuning_probes(arm) == ()
    assert score(arm, [epoch(1, 0.4), epoch(2, 0.45)]) == 0.45


def test_with_a_target_the_updates_to_it_on_validation_images_are_the_score():
    """From 0.8 at update 10 to 0.4 at update 20: 0.6 at update 15."""
    arm = tiny().arms["tuned"]._replace(tune_to_loss=0.6)
    assert tuning_probes(arm) == ("validation_loss",)
    first = epoch(1, 0.7, Reading("probe_val_loss", 0, 2.3), Reading("probe_val_loss", 10, 0.8))
    second = epoch(2, 0.4, Reading("probe_val_loss", 20, 0.4), Reading("something_else", 12, 0.1))
    assert score(arm, [first, second]) == pytest.approx(15.0)
    assert score(arm, [first]) == math.inf
