import math
import sys

import pytest

from harness.tracking.comparison import Difference, differences, is_compared


@pytest.mark.parametrize(
    ("metric", "compared"),
    [("train_loss", True), ("probe_loss", True), ("epoch_seconds", False), ("samples_per_second", False),
     ("training_seconds", False), ("tuning_score", False), ("p.lr", False), ("system/param/lr", False),
     ("path_length", True)],
)  # fmt: skip
def test_all_is_compared_but_times_params_and_what_is_made_of_the_rest(metric, compared):
    assert is_compared(metric) is compared


def test_equal_histories_do_not_differ_infinities_and_nan_included():
    recorded = {"loss": {1: 0.5, 2: math.nan}, "w": {0: sys.float_info.max, 1: -sys.float_info.max}}
    replayed = {"loss": {1: 0.5, 2: math.nan}, "w": {0: math.inf, 1: -math.inf}, "epoch_seconds": {1: 3.0}}
    assert differences(recorded, replayed) == []


def test_a_last_bit_is_seen_and_the_first_step_that_differs_is_named():
    recorded = {"loss": {1: 0.5, 2: 0.25, 3: 0.1}}
    replayed = {"loss": {1: 0.5, 2: math.nextafter(0.25, 1), 3: 0.2}}
    assert differences(recorded, replayed) == [Difference("loss", 2, 3, 2, 0.25, math.nextafter(0.25, 1))]


def test_what_one_side_lacks_differs():
    found = differences({"loss": {1: 0.5, 2: 0.4}, "gone": {1: 1.0}}, {"loss": {1: 0.5}, "new": {0: 2.0}})
    assert found == [
        Difference("gone", 1, 1, 1, 1.0, None),
        Difference("loss", 1, 2, 2, 0.4, None),
        Difference("new", 1, 1, 0, None, 2.0),
    ]
