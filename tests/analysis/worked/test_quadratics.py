import math

import numpy as np
import pytest

from analysis.worked import quadratics


def test_the_first_step_is_the_lessons():
    step = quadratics.first_step()
    assert step.length == pytest.approx(5 * math.sqrt(2))
    assert step.after.tolist() == [5, 2.5]
    assert quadratics.first_step(lr=0.1).after.tolist() == [9.5, 7]


def test_the_surface_is_zero_at_its_minimum_and_its_gradient_is_its_slope():
    assert quadratics.surface(np.array(1.0), np.array(1.0)) == 0
    for w in ([0.0, 0.0], [-7.0, 3.0], [1.0, 1.0]):
        slopes = []
        for axis in np.eye(2):
            up, down = (np.array(w) + sign * 1e-6 * axis for sign in (1, -1))
            slopes.append((quadratics.surface(*up) - quadratics.surface(*down)) / 2e-6)
        assert quadratics.surface_gradient(np.array(w)) == pytest.approx(slopes, abs=1e-5)
    assert quadratics.surface(np.array(0.0), np.array(0.0)) == 4 + 16


def test_momentum_by_hand_two_steps():
    way = quadratics.descend(quadratics.quadratic_gradient([0.5, 1.5]), (10, 7.5), lr=0.1, gamma=0.9, steps=2)
    assert way.tolist() == [[10, 7.5], [9.5, 6.375], pytest.approx([9.5 - 0.45 - 0.475, 6.375 - 1.0125 - 0.95625])]


@pytest.mark.parametrize(
    ("lr", "gamma", "size", "what"),
    [
        (0.1, 0.0, 0.9, "converges"),
        (1.5, 0.0, 0.5, "oscillates"),
        (2.1, 0.0, 1.1, "diverges"),
        (0.1, 0.9, math.sqrt(0.9), "oscillates"),
        (3.9, 0.9, None, "diverges"),
        (3.7, 0.9, None, "oscillates"),
    ],
)
def test_the_roots_say_what_a_way_does_and_how_fast(lr, gamma, size, what):
    """With curvature 1: without momentum the factor is |1 − η|; with it, √γ while the roots are complex."""
    found = quadratics.shrink_factor(1.0, lr, gamma)
    assert found[1] == what and (size is None or found[0] == pytest.approx(size))
    way = quadratics.descend(quadratics.quadratic_gradient([1.0, 1.0]), (1, 1), lr, gamma, steps=200)
    assert quadratics.behaviour(way) == what


def test_the_gradients_of_single_samples_have_the_full_one_as_their_mean():
    samples = quadratics.noisy_samples()
    w = np.array([0.3, 4.0])
    single = [samples.gradient(w, np.array([n])) for n in range(64)]
    assert np.mean(single, axis=0) == pytest.approx(samples.gradient(w, np.arange(64)))
    assert samples.gradient(samples.minimum, np.arange(64)) == pytest.approx([0, 0], abs=1e-12)


def test_smaller_batches_make_longer_ways_and_the_full_batch_none_of_chance():
    samples = quadratics.noisy_samples()
    one, few, full = (
        quadratics.path_ratio(quadratics.sampled_way(samples, size, 0.1, 64, (-3, 3))) for size in (1, 8, 64)
    )
    assert one > few > full >= 1
    by_hand = quadratics.descend(lambda w: samples.gradient(w, np.arange(64)), (-3, 3), 0.1, 0.0, 64)
    assert quadratics.sampled_way(samples, 64, 0.1, 64, (-3, 3)) == pytest.approx(by_hand)


def test_a_straight_way_has_the_ratio_1():
    assert quadratics.path_ratio(np.array([[0, 0], [1, 1], [3, 3.0]])) == pytest.approx(1)
    assert quadratics.path_ratio(np.array([[0, 0], [1, 0], [1, 1.0]])) == pytest.approx(math.sqrt(2))
