import math

import pytest

from harness.claims.curves import steps_to

FALLING = [(10, 1.0), (0, 2.3), (20, 0.5), (40, 0.7)]  # in any order


@pytest.mark.parametrize(
    ("target", "step"),
    [
        (0.75, 15.0),  # halfway from 1.0 at 10 to 0.5 at 20
        (0.5, 20.0),
        (2.3, 0.0),
        (9.0, 0.0),
        (0.4, math.inf),
    ],
)
def test_a_target_is_reached_between_the_points_of_a_curve(target, step):
    assert steps_to(FALLING, target) == pytest.approx(step)


def test_the_first_time_counts():
    assert steps_to([(1, 1.0), (2, 0.0), (3, 1.0), (4, 0.0)], 0.5) == 1.5


def test_an_empty_curve_never_gets_there():
    assert steps_to([], 0.5) == math.inf
