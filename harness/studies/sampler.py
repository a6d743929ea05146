"""TPE with a fixed search space and one seed per trial. `CachedStudy.ask` draws the proposal."""

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial


class Sampler(TPESampler):
    """TPE that is given the search space. Optuna's own TPE infers it from all trials, anew for each proposal."""

    def __init__(self, space: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(n_startup_trials=10, multivariate=True, constant_liar=True, seed=seed)
        self._space = {name: one for name, one in sorted(space.items()) if not one.single()}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        del study, trial
        return self._space
