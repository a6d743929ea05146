"""Which trials to prune, from the curves of the complete ones, which are kept in memory.

Optuna's `should_prune` reads all trials of the open round from the storage, at each epoch of each of them.
"""

from collections.abc import Iterable, Mapping

import optuna
from optuna.pruners import MedianPruner
from optuna.trial import FrozenTrial, TrialState

PRUNER = MedianPruner(n_startup_trials=5, n_warmup_steps=2, interval_steps=1, n_min_trials=5)


class Curves:
    """Validation accuracies by epoch of `complete` trials; `add` those that are told later."""

    def __init__(self, complete: Iterable[FrozenTrial]) -> None:
        self._study = optuna.create_study(direction="maximize")
        for trial in complete:
            assert trial.value is not None, "a complete trial has a value"
            self.add(trial.value, trial.intermediate_values)

    def add(self, value: float, accuracies: Mapping[int, float]) -> None:
        """One more complete trial."""
        self._study.add_trial(optuna.trial.create_trial(value=value, intermediate_values=dict(accuracies)))

    def is_to_be_pruned(self, accuracies: Mapping[int, float]) -> bool:
        """What `PRUNER` says of a trial that has come so far."""
        running = optuna.trial.create_trial(state=TrialState.RUNNING, intermediate_values=dict(accuracies))
        return PRUNER.prune(self._study, running)
