import math

import pytest
import torch

from harness.core.metrics import EpochMetrics
from harness.studies.guessing import best_guess, did_not_learn

BALANCED = best_guess(torch.arange(10).repeat(25))
SKEWED = best_guess(torch.tensor([0] * 90 + [1] * 10))


def epoch(loss, accuracy):
    return EpochMetrics(3, 1.0, 0.5, loss, accuracy, 1.0, 100.0, 10)


def test_the_best_guess_is_the_largest_class_and_the_entropy_of_the_labels():
    assert (0.1, pytest.approx(math.log(10)), 250) == BALANCED
    assert (0.9, pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)), 100) == SKEWED
    assert best_guess(torch.zeros(5, dtype=torch.int64)) == (1.0, 0.0, 5)


@pytest.mark.parametrize(
    ("guess", "loss", "accuracy", "learned"),
    [
        (BALANCED, math.log(10) + 1e-6, 0.1, False),
        (BALANCED, 5.0, 0.1 + 1.9 * math.sqrt(0.09 / 250), False),
        (BALANCED, 5.0, 0.1 + 2.0 * math.sqrt(0.09 / 250), True),
        (BALANCED, 2.29, 0.1, True),
        (SKEWED, 0.4, 0.9, False),
        (SKEWED, 0.3, 0.9, True),
        (SKEWED, 0.69, 0.5, False),
    ],
)
def test_both_loss_and_accuracy_have_to_be_those_of_a_guess(guess, loss, accuracy, learned):
    assert did_not_learn(epoch(loss, accuracy), guess) is not learned


def test_without_validation_nothing_is_known():
    assert not did_not_learn(epoch(None, None), BALANCED)
