"""TPE as a study uses it: told its space, seeded anew for each trial, and shown a bounded part of a long study."""

import heapq
from collections.abc import Container
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState

_NEWEST, _BEST = 1_000, 25  # TPE never takes more than 25 for good ones


class Sampler(TPESampler):
    """TPE that is told the search space, which it would otherwise find out from all trials, anew for each proposal.

    It proposes from all that run, the newest 1,000 that have ended, and the 25 best complete ones before those: TPE
    weighs a proposal against each trial that it is given, and gives older ones less weight anyway.
    """

    def __init__(self, space: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(n_startup_trials=10, multivariate=True, constant_liar=True, seed=seed)
        self._space = {name: one for name, one in sorted(space.items()) if not one.single()}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        del study, trial
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return super().sample_relative(_Seen(study.study_name, study._storage), trial, search_space)


class _Seen(optuna.Study):
    """A study that shows its sampler some of its trials, in ask order."""

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = super()._get_trials(deepcopy, states, use_cache)
        if use_cache:  # they are only counted
            return trials
        ended = [trial for trial in trials if trial.state is not TrialState.RUNNING]
        older = (trial for trial in ended[:-_NEWEST] if trial.state is TrialState.COMPLETE)
        seen = heapq.nlargest(_BEST, older, key=lambda trial: trial.value or 0.0) + ended[-_NEWEST:]
        numbers = {trial.number for trial in seen}
        return [trial for trial in trials if trial.number in numbers or trial.state is TrialState.RUNNING]
