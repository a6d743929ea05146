import math

import pytest

from harness.core.intervals import mean_interval


def test_the_interval_is_the_mean_plus_and_minus_t_standard_errors():
    """By hand: 3.182446 is the 97.5 % point of Student's t with 3 degrees of freedom."""
    interval = mean_interval([1.0, 2.0, 3.0, 4.0])
    half = 3.182446 * math.sqrt(5 / 3) / 2
    assert (interval.n, interval.mean, interval.sd) == (4, 2.5, pytest.approx(math.sqrt(5 / 3)))
    assert (interval.low, interval.high) == (pytest.approx(2.5 - half), pytest.approx(2.5 + half))


@pytest.mark.parametrize("values", [[], [0.8]])
def test_fewer_than_two_values_have_no_interval(values):
    interval = mean_interval(values)
    assert interval.n == len(values)
    assert math.isnan(interval.low) and math.isnan(interval.sd)
