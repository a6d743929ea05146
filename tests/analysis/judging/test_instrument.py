"""The judging as a whole on synthetic loss curves: from curves by way of a measure and paired differences to a verdict.

A curve falls as 0.3 + 2 exp(−t/τ), seen through noise, at the updates at which probes report. τ holds the luck of a
seed, which both arms of a pair share, the luck of each run, and the effect of the arm.
"""

import math

import numpy as np
import pandas as pd
import pytest

from analysis.judging.stats import seeds_needed
from analysis.judging.verdicts import judge
from harness.claims.estimands import Estimand
from harness.training.probes.registry import is_scheduled

UPDATES = np.array([0] + [update for update in range(1, 1_001) if is_scheduled(update)])
SHARED_SD, OWN_SD, LOOK_SD = 0.5, 0.1, 0.003
ESTIMAND = Estimand(
    name="faster", words="{effect}", question="lesson", primary=True, measure="updates_to_loss", at=0.6,
    compare="log_ratio", arms=["slow", "fast"], smallest_effect=1.1,
)  # fmt: skip


class Synthetic:
    """What `judge` needs of evidence, with curves that are drawn instead of read."""

    name = "synthetic"

    def __init__(self, generator, seeds, effect):
        self.claim = self
        shared = generator.normal(0, SHARED_SD, seeds)
        self.curves = {}
        for arm, shift in (("slow", effect), ("fast", 0.0)):
            for seed in range(seeds):
                tau = 100 * math.exp(shared[seed] + generator.normal(0, OWN_SD) + shift)
                noise = generator.normal(0, LOOK_SD, len(UPDATES))
                self.curves[f"{arm} {seed}"] = pd.Series(0.3 + 2 * np.exp(-UPDATES / tau) + noise, index=UPDATES)

    def arm_names(self, patterns):
        return patterns

    def of(self, arms):
        rows = [(*name.split(), name, "complete") for name in self.curves if name.split()[0] in arms]
        return pd.DataFrame(rows, columns=["arm", "seed", "run_id", "state"]).astype({"seed": int})

    def curve(self, run_id, metric):
        if metric == "epoch_updates":
            return pd.Series({1: float(UPDATES[-1])})
        assert metric == "probe_loss"
        return self.curves[run_id]


def verdicts(studies, seeds, effect, start):
    generator = np.random.default_rng(start)
    return [judge(Synthetic(generator, seeds, effect), ESTIMAND) for _ in range(studies)]


def test_the_effect_of_a_study_is_the_one_that_was_put_in():
    found = [verdict.effect for verdict in verdicts(20, 10, math.log(1.5), start=1)]
    assert np.mean(found) == pytest.approx(1.5, rel=0.03)


@pytest.mark.slow
def test_an_arm_against_itself_is_called_an_effect_in_at_most_five_per_cent_of_cases():
    """800 studies; slack: two deviations of a true 5 %."""
    studies = 800
    found = verdicts(studies, 10, 0.0, start=2)
    slack = 2 * math.sqrt(0.05 * 0.95 / studies)
    covered = sum(verdict.low <= 1 <= verdict.high for verdict in found)
    assert 0.93 - slack <= covered / studies <= 0.97 + slack
    assert sum(verdict.result.p < 0.05 for verdict in found) / studies <= 0.05 + slack
    assert sum(verdict.label in ("reproduced", "direction only") for verdict in found) / studies <= 0.025 + slack
    assert not any(verdict.finding == "as claimed" for verdict in found)


@pytest.mark.slow
def test_a_known_effect_is_found_with_the_stated_power():
    """Pairs differ by √2 times a run's own luck; `seeds_needed` seeds find the effect in about 80 % of studies."""
    effect = math.log(1.12)
    seeds = seeds_needed(math.sqrt(2) * OWN_SD, effect)
    assert seeds == 13
    found = [verdict.result.low > 0 for verdict in verdicts(400, seeds, effect, start=3)]
    assert 0.68 <= np.mean(found) <= 0.88
