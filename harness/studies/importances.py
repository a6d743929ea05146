"""How much each parameter of a study matters, with an interval, because few trials say little about that."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

MIN_TRIALS = 20  # complete ones; with fewer, the order changes from trial to trial
_RESAMPLES = 200
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
    resamples = [
        _shares([complete[i] for i in rng.integers(len(complete), size=len(complete))]) for _ in range(_RESAMPLES)
    ]
    found = {}
    for name, share in _shares(complete).items():
        low, high = np.quantile([shares.get(name, 0.0) for shares in resamples], _LEVELS).tolist()
        found[name] = Importance(share, low, high)
    return found


def _shares(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    if len({trial.value for trial in trials}) < 2:
        return {}
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
