"""Optuna's samplers with one seed per trial. `CachedStudy.ask` draws the proposal."""

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from harness.core.defaults import SamplerChoice


def make_sampler(choice: SamplerChoice, space: dict[str, BaseDistribution], seed: int) -> BaseSampler:
    """The sampler of one trial. Random search looks at no other trial."""
    return RandomSampler(seed) if choice == "random" else Sampler(space, seed)


class Sampler(TPESampler):
    """TPE that is given the search space. Optuna's own TPE infers it from all trials, anew for each proposal."""

    def __init__(self, space: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(n_startup_trials=10, multivariate=True, constant_liar=True, seed=seed)
        self._space = {name: one for name, one in sorted(space.items()) if not one.single()}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        del study, trial
        return self._space
