import math

import numpy as np
import pytest

from analysis.judging.stats import (
    deviation_interval,
    holm,
    is_equivalent,
    is_share_equivalent,
    paired_effect,
    seeds_needed,
    share_effect,
    share_interval,
    sign_flip,
    spread_differences,
)
from harness.core.intervals import mean_interval

FOUR = [4.6, 5.2, 5.4, 4.8]


def rng():
    return np.random.default_rng(1)


def test_a_paired_effect_by_hand():
    """Mean 5, sd √(0.4/3), t(3) = 3.182446; of the 16 ways to flip signs, 2 are as extreme: p = 1/8."""
    effect = paired_effect(FOUR, rng())
    half = 3.182446 * math.sqrt(0.4 / 3) / 2
    assert (effect.estimate, effect.sd) == (pytest.approx(5.0), pytest.approx(math.sqrt(0.4 / 3)))
    assert (effect.low, effect.high) == (pytest.approx(5 - half), pytest.approx(5 + half))
    assert (effect.p, effect.prob_superiority, effect.method) == (pytest.approx(2 / 16), 1.0, "mean, t")


@pytest.mark.parametrize(
    ("differences", "p"),
    [([1.0, 2.0, 3.0], 2 / 8), ([1.0, 2.0, -3.0], 1.0), ([1.0] * 10, 2 / 1024), ([3.0, 3.0, 3.0, -1.0], 4 / 16)],
)
def test_the_sign_flip_test_counts_all_flips(differences, p):
    """[3, 3, 3, −1]: |sum| is at least 8 for +++−, ++++ and their opposites: 4 of 16. [1, 2, −3] sums to 0."""
    assert sign_flip(np.array(differences), rng()) == pytest.approx(p)


def test_twenty_pairs_get_a_bootstrap_interval_that_is_repeatable():
    sample = list(np.linspace(0.5, 1.5, 20))
    first, second = paired_effect(sample, rng()), paired_effect(sample, rng())
    assert first == second
    assert first.method == "mean, BCa"
    assert 0.8 < first.low < 1.0 < first.high < 1.2


def test_an_infinite_difference_is_counted_by_rank_and_never_dropped():
    """Ten differences, two infinite: order statistics 2 and 9 cover the median (97.9 %), sign test p = 2/1024."""
    effect = paired_effect([1, 2, 3, 4, 5, 6, 7, 8, math.inf, math.inf], rng())
    assert (effect.estimate, effect.low, effect.high) == (5.5, 2.0, math.inf)
    assert (effect.p, effect.infinite, effect.prob_superiority) == (pytest.approx(2 / 1024), 2, 1.0)
    assert "median" in effect.method


def test_an_undefined_difference_may_lie_anywhere():
    """Nine of ten are known: order statistics 2 and 9 with the tenth at −∞ and at +∞. Sign test: 9 against 1."""
    effect = paired_effect([1, 2, 3, 4, 5, 6, 7, 8, 9, math.nan], rng())
    assert (effect.low, effect.high, effect.undefined) == (1.0, 9.0, 1)
    assert effect.p == pytest.approx(2 * 11 / 1024)
    assert math.isnan(effect.estimate) and math.isnan(effect.prob_superiority)
    nothing = paired_effect([math.nan] * 10, rng())
    assert (nothing.low, nothing.high, nothing.p) == (-math.inf, math.inf, 1.0)


def test_too_few_pairs_with_an_infinite_one_say_nothing():
    """With fewer than six values no two of them hold the median with 95 %."""
    for n in (2, 5):
        effect = paired_effect([math.inf] * n, rng())
        assert (effect.low, effect.high) == (-math.inf, math.inf)
    assert paired_effect([math.inf] * 6, rng()).low == math.inf


def test_equal_differences_have_an_interval_of_no_width():
    for values in ([2.0, 2.0, 2.0], [5.0, 5.000000000000001, 5.0]):
        assert paired_effect(values, rng()).method == "all pairs equal"
        assert mean_interval(values).low == mean_interval(values).high
    effect = paired_effect([2.0, 2.0, 2.0], rng())
    assert (effect.low, effect.high, effect.method) == (2.0, 2.0, "all pairs equal")


def test_two_one_sided_tests_find_an_effect_too_small_to_matter():
    """Mean 0, se 0.0577; at margin 0.5 both t are 8.66 > t(0.95, 3) = 2.353; at 0.1 they are 1.73 < 2.353."""
    sample = [0.1, -0.1, 0.1, -0.1]
    assert is_equivalent(sample, 0.5)
    assert not is_equivalent(sample, 0.1)
    assert is_equivalent([0.0, 0.0], 0.1) and not is_equivalent([0.2, 0.2], 0.1)
    assert not is_equivalent([0.0, math.inf], 0.5)


def test_holm_multiplies_the_smallest_p_by_their_number_and_keeps_their_order():
    """0.01 × 3; max(0.03, 0.02 × 2); max(0.04, 0.04 × 1)."""
    assert holm([0.04, 0.01, 0.02]) == [pytest.approx(0.04), pytest.approx(0.03), pytest.approx(0.04)]


def test_seeds_needed_by_hand():
    """(1.96 + 0.84)² · 1² / 0.5² = 31.36."""
    assert seeds_needed(1.0, 0.5) == 32
    assert seeds_needed(0.001, 1.0) == 2


def test_a_share_has_wilsons_interval_and_a_difference_newcombes():
    """Wilson, 0 of 10: high = z²/(n + z²) = 3.8415/13.8415."""
    low, high = share_interval(0, 10)
    assert (low, high) == (0.0, pytest.approx(3.8415 / 13.8415, abs=1e-4))
    first = [1.0] * 56 + [0.0] * 24
    second = [1.0] * 48 + [0.0] * 32
    effect = share_effect(first, second, rng())
    assert (effect.estimate, effect.method) == (pytest.approx(0.1), "Newcombe")
    assert effect.low < 0.1 < effect.high
    never = share_effect([1.0] * 100, [0.0] * 100, rng())
    assert 0.9 < never.low < 1.0 == pytest.approx(never.high)


def test_a_deviation_has_the_interval_of_the_chi_square_distribution():
    """By hand for n = 10 and sd 1: √(9/19.0228) and √(9/2.70039)."""
    values = (np.arange(10) - 4.5) / np.std(np.arange(10), ddof=1)
    assert deviation_interval(values.tolist()) == (pytest.approx(0.68783, abs=1e-4), pytest.approx(1.82562, abs=1e-4))


def test_shares_without_a_success_still_ask_for_many_seeds_by_hand():
    """0 of 3 twice: (0 + 1)/(3 + 2) = 0.2 each; sd √(2 · 0.2 · 0.8)."""
    assert share_effect([0.0] * 3, [0.0] * 3, rng()).sd == pytest.approx(math.sqrt(0.32))


def test_shares_of_few_runs_are_not_called_alike():
    """0 of 10 against 0 of 10 may differ by 0.2; 0 of 100 against 0 of 100 by no more than 0.1."""
    assert not is_share_equivalent([0.0] * 10, [0.0] * 10, 0.1)
    assert is_share_equivalent([0.0] * 100, [0.0] * 100, 0.1)


def curves(generator, seeds, effect):
    """Accuracies of two arms under paired seeds: a seed's own luck (sd 1), noise of each run (sd 0.5)."""
    luck = generator.normal(0, 1, seeds)
    return luck + generator.normal(effect, 0.5, seeds), luck + generator.normal(0, 0.5, seeds)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [10, 25])
def test_an_arm_against_itself_is_called_an_effect_in_at_most_five_per_cent_of_cases(seeds):
    """The A/A study on synthetic curves. 2,000 studies: five deviations of a true 5 % are 2.4 points."""
    generator, studies = np.random.default_rng(7), 400 if seeds >= 20 else 2_000
    called = covered = 0
    for _ in range(studies):
        a, b = curves(generator, seeds, 0.0)
        effect = paired_effect((a - b).tolist(), generator)
        called += effect.p < 0.05
        covered += effect.low <= 0 <= effect.high
    assert called / studies <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / studies)
    slack = 2 * math.sqrt(0.05 * 0.95 / studies)
    assert 0.93 - slack <= covered / studies <= 0.97 + slack


@pytest.mark.slow
def test_a_known_effect_is_found_with_the_stated_power():
    """`seeds_needed` seeds find the effect that they were computed for in about 80 % of studies."""
    generator, studies = np.random.default_rng(8), 1_000
    sd = math.sqrt(2) * 0.5
    seeds = seeds_needed(sd, 0.6)
    assert seeds == 11
    found = 0
    for _ in range(studies):
        a, b = curves(generator, seeds, 0.6)
        found += paired_effect((a - b).tolist(), generator).low > 0
    assert 0.66 <= found / studies <= 0.86


def test_pseudo_values_of_a_spread_by_hand():
    """sd 1 and 2 of three values; without the first, second or third: √½ and √2, √2 and √8, √½ and √2 of each."""
    a, b = [3.0, 4.0, 5.0], [2.0, 4.0, 6.0]
    assert spread_differences(a, b) == pytest.approx([math.log(0.5)] * 3)
    a = [1.0, 2.0, 4.0]  # sd √(7/3); without one each: √2, 3/√2, 1/√2
    whole = math.log(math.sqrt(7 / 3) / 2)
    left_out = [math.log(sd_a / sd_b) for sd_a, sd_b in zip((2, 3, 1), (2, 4, 2), strict=True)]
    assert spread_differences(a, b) == pytest.approx([3 * whole - 2 * one for one in left_out])


@pytest.mark.parametrize("lost", [math.inf, math.nan])
def test_a_spread_with_a_value_that_is_not_finite_or_without_spread_is_undefined(lost):
    assert np.isnan(spread_differences([1.0, 2.0, lost], [1.0, 2.0, 4.0])).all()
    assert np.isnan(spread_differences([1.0, 2.0, 3.0], [5.0, 5.0, 5.0])).all()
    assert np.isnan(spread_differences([1.0, 1.0, 3.0], [1.0, 2.0, 3.0])).all()  # without its third value


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_the_interval_of_a_spread_covers_the_ratio_in_about_95_of_100_cases(ratio):
    """Pairs with a correlation of 0.5, as seeds have that share initial weights."""
    generator, studies, n = np.random.default_rng(7), 1_000, 19
    covered = 0
    for _ in range(studies):
        shared = generator.normal(size=n)
        a, b = (shared + generator.normal(size=n) for _ in range(2))
        interval = mean_interval(spread_differences(ratio * a, b).tolist())
        covered += interval.low <= math.log(ratio) <= interval.high
    assert 0.92 <= covered / studies <= 0.975
