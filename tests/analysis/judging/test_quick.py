"""The targets of a quick look, from typed-in curves."""

from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.judging.quick import set_nearer_targets
from harness.claims.estimands import Estimand

LOWEST = {"a 1": 0.7512, "a 2": 0.4, "b 1": 0.61, "b 2": 2.0, "c 1": 0.3}
STATES = {"b 2": "diverged"}


class Evidence:
    """Runs whose probe loss falls from 2.3 to these values and rises again."""

    def __init__(self, *estimands):
        self.claim = Claim(estimands)

    def of(self, arms):
        runs = [run for run in LOWEST if run.split()[0] in arms]
        return pd.DataFrame({"run_id": runs, "state": [STATES.get(run, "complete") for run in runs]})

    def curve(self, run_id, metric):
        assert metric == "probe_loss"
        return pd.Series({0: 2.3, 10: LOWEST[run_id], 20: 2.1})


class Claim(SimpleNamespace):
    def __init__(self, estimands):
        super().__init__(estimands=estimands)

    def arm_names(self, patterns):
        return patterns

    def _replace(self, estimands):
        return Claim(estimands)


def estimand(measure="updates_to_loss", at=0.6, arms=("a", "b")):
    return Estimand(
        name="e", words="w {effect}", question="lesson", measure=measure, at=at, compare="log_ratio", arms=list(arms),
        smallest_effect=1.5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({}, 0.76),  # run a 1 reaches 0.7512 and no less; run b 2 diverged
        ({"measure": "seconds_to_loss"}, 0.76),
        ({"at": 0.8}, 0.8),
        ({"arms": ("c", "c")}, 0.6),
        ({"measure": "train_loss", "at": 2.0}, 2.0),
        ({"measure": "train_loss", "at": None}, None),
    ],
)
def test_a_target_is_the_lowest_loss_that_all_runs_reach(changes, at):
    evidence = Evidence(estimand(**changes))
    set_nearer_targets(evidence)
    assert [one.at for one in evidence.claim.estimands] == [at]


def test_an_accuracy_is_lowered_to_the_one_that_all_searches_reach():
    class Searches(Evidence):
        def curve(self, run_id, metric):
            assert metric == "best_val_accuracy"
            return pd.Series({1: 0.5, 2: 0.87659 if run_id == "a 1" else 0.9})

    for at, judged_at in ((89, 87.65), (80, 80)):
        evidence = Searches(estimand("trials_to", at))
        set_nearer_targets(evidence)
        assert [one.at for one in evidence.claim.estimands] == [judged_at]
