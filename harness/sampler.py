"""TPE as a study uses it: told its space, seeded anew for each trial, and the same whatever had been drawn before."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial


class Sampler(TPESampler):
    """TPE that is told the search space, which it would otherwise find out from all trials, anew for each proposal.

    What it draws parameter by parameter it draws for all of them at once, so that a trial of which a dead process had
    drawn some gets the same rest.
    """

    def __init__(self, space: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(n_startup_trials=10, multivariate=True, constant_liar=True, seed=seed)
        self._in_order = {name: one for name, one in space.items() if not one.single()}
        self._space = {name: self._in_order[name] for name in sorted(self._in_order)}
        self._drawn: dict[str, Any] = {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        del param_distribution
        if not self._drawn:
            draw = super().sample_independent
            self._drawn = {name: draw(study, trial, name, one) for name, one in self._in_order.items()}
        return self._drawn[param_name]

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        del study, trial
        return self._space
