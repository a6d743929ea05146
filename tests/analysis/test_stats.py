import math

import pytest

from analysis.stats import mean_interval


def test_a_t_interval_from_a_textbook():
    """n = 5, mean 3, sd √2.5; t(0.975, 4) = 2.776 by the usual table: half-width 2.776 · √2.5 / √5 = 1.963."""
    found = mean_interval([1, 2, 3, 4, 5])
    assert (found.n, found.mean, found.level) == (5, 3.0, 0.95)
    assert found.sd == pytest.approx(math.sqrt(2.5))
    assert (found.low, found.high) == (pytest.approx(3 - 1.963, abs=1e-3), pytest.approx(3 + 1.963, abs=1e-3))


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert mean_interval([0.5]).mean == 0.5
    assert math.isnan(mean_interval([0.5]).low)
    assert math.isnan(mean_interval([]).mean)
    assert mean_interval([]).n == 0
