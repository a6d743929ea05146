"""Optuna's samplers, made anew for each trial with a seed of its own. `CachedStudy.ask` draws the proposal.

A proposal depends on the study's seed, the position of the trial and the trials that were told before its round; not on
this process, which may be the second one that runs the study.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState

from harness.core.defaults import SamplerChoice
from harness.core.seeds import derive
from harness.studies.space import Space


def make_sampler(choice: SamplerChoice, space: Space, study_seed: int, position: int) -> BaseSampler:
    """The sampler of the trial at this position (from 0). Random, quasi-random and grid search look at no other one."""
    seed, searched = derive(study_seed, f"trial {position}"), space.distributions()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match choice:
            case "tpe":
                return Sampler(searched, seed)
            case "random":
                return RandomSampler(seed)
            case "qmc":
                return QuasiRandom(searched, study_seed, position)
            case "gp":
                return GPSampler(seed=seed, warn_independent_sampling=False)
            case "cmaes":
                return CmaEsSampler(seed=seed, warn_independent_sampling=False)
            case "grid":
                return Grid(space.grid(), study_seed)


class Sampler(TPESampler):
    """TPE that is given the search space. Optuna's own TPE infers it from all trials, anew for each proposal."""

    def __init__(self, space: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(n_startup_trials=10, multivariate=True, constant_liar=True, seed=seed)
        self._space = _varied(space)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        del study, trial
        return self._space


class QuasiRandom(QMCSampler):
    """One point of the study's scrambled Sobol sequence: that of its position.

    Optuna's own sampler counts the points in an attribute of the study, which a stop can leave behind the trials.
    """

    def __init__(self, space: dict[str, BaseDistribution], seed: int, position: int) -> None:
        super().__init__(scramble=True, seed=seed, warn_independent_sampling=False)
        self._space = _varied(space)
        self._position = position

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        del study, trial
        return self._space

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> int:
        del study, search_space
        return self._position


class Grid(GridSampler):
    """The points of a grid, in an order that the seed shuffles. It never stops the study: `--trials` does.

    What a trial lacks that somebody enqueued is drawn at random from the grid.
    """

    def __init__(self, values: Mapping[str, Sequence[Any]], seed: int) -> None:
        super().__init__(values, seed=seed)
        self._random = RandomSampler(seed)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        sampler: BaseSampler = super() if "grid_id" in trial.system_attrs else self._random  # type: ignore[assignment]
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Nothing."""


def _varied(space: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    return {name: one for name, one in sorted(space.items()) if not one.single()}
