"""How much each parameter of a study matters, with an interval, because few trials say little about that."""

import warnings
from collections.abc import Container, Sequence
from typing import NamedTuple

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

MIN_TRIALS = 20  # complete ones; with fewer, the order changes from trial to trial
_RESAMPLES, _FEWEST_RESAMPLES = 200, 50
_TRIALS_OF_RESAMPLES = 100_000  # in all, so that thousands of trials take seconds
_LEVELS = (0.025, 0.975)
_SEED = 0


class Importance(NamedTuple):
    """The share of a parameter (all shares sum to 1) and its 95 % percentile interval over resampled trials."""

    share: float
    low: float
    high: float


def importances(study: optuna.Study) -> dict[str, Importance]:
    """The importance of each parameter by PED-ANOVA, largest first; {} for under 20 complete trials or equal ones.

    The interval is a percentile bootstrap (Efron 1979) of the complete trials. It says how far the shares depend on
    which trials were made, not how far the trials cover the space.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < MIN_TRIALS or len({trial.value for trial in complete}) < 2:
        return {}
    rng = np.random.default_rng(_SEED)
    count = min(_RESAMPLES, max(_FEWEST_RESAMPLES, _TRIALS_OF_RESAMPLES // len(complete)))
    resamples = [_shares([complete[i] for i in rng.integers(len(complete), size=len(complete))]) for _ in range(count)]
    found = {}
    for name, share in _shares(complete).items():
        low, high = np.quantile([shares.get(name, 0.0) for shares in resamples], _LEVELS).tolist()
        found[name] = Importance(share, low, high)
    return found


class _Shown(InMemoryStorage):
    """Shows `trials`, whatever was stored: to add thousands of trials to a study takes a second."""

    trials: Sequence[FrozenTrial] = ()

    def get_all_trials(
        self,
        study_id: int,  # noqa: ARG002
        deepcopy: bool = True,  # noqa: ARG002
        states: Container[TrialState] | None = None,  # noqa: ARG002
    ) -> list[FrozenTrial]:
        return list(self.trials)


def _shares(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    if len({trial.value for trial in trials}) < 2:
        return {}
    storage = _Shown()
    study = optuna.create_study(direction="maximize", storage=storage)
    storage.trials = trials
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of equal importances, if the best trials are all the same
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
