"""What a number of seeds can show: the smallest p, and the power. Knows no runs."""

import math

LEVEL = 0.05


def smallest_p(pairs: int) -> float:
    """The smallest p that the two-sided sign-flip permutation test of paired differences can have: 2^(1 − pairs)."""
    return 2.0 ** (1 - pairs)


def power(effect_size: float, pairs: int) -> float:
    """The power of a two-sided paired t test at `LEVEL`. `effect_size`: an effect over the sd of the differences."""
    from statsmodels.stats.power import TTestPower  # takes a second to import

    found = float(TTestPower().power(effect_size, pairs, LEVEL))
    return 1.0 if math.isnan(found) else found  # far beyond what its distribution can compute
