"""An Optuna study that is read from memory, while each change of a trial is written to its storage as well.

Whoever holds the study is alone in changing it, so memory is never behind. Optuna itself reads all open trials from
the storage, for each proposal and at each epoch.
"""

from collections.abc import Collection, Container, Iterator, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from harness.core.errors import Stopped


class _Memory(InMemoryStorage):
    """Without a shortcut of Optuna's, which takes it that no trial waits again that was running.

    Trials whose numbers are `veiled` are shown as if they still ran and had not reported.
    """

    veiled: Collection[int] = ()

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        wanted = None if states is None else {state for state in TrialState if state in states}
        if not self.veiled:
            return super().get_all_trials(study_id, deepcopy, wanted)
        trials = super().get_all_trials(study_id, deepcopy)
        shown = [_as_running(trial) if trial.number in self.veiled else trial for trial in trials]
        return [trial for trial in shown if wanted is None or trial.state in wanted]

    def as_they_are(self, study_id: int, states: Collection[TrialState]) -> list[FrozenTrial]:
        """All trials in one of `states`, or in any, veiled or not; to be read only."""
        return super().get_all_trials(study_id, deepcopy=False, states=set(states) or None)


def _as_running(trial: FrozenTrial) -> FrozenTrial:
    return FrozenTrial(
        number=trial.number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=trial.datetime_start,
        datetime_complete=None,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
        system_attrs=trial.system_attrs,
        intermediate_values={},
        trial_id=trial._trial_id,
    )


class Mirror:
    """The study `name` in `storage`, made if it is not there; of no use any more once `storage` has failed.

    `kept` is the study in the storage, for its attributes. `memory` is the same study for its trials, to be read only.
    """

    def __init__(self, storage: RDBStorage, name: str, pruner: BasePruner) -> None:
        self._storage, self._in_memory = storage, _Memory()
        self.kept = optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
        self.memory = optuna.create_study(study_name=name, storage=self._in_memory, direction="maximize", pruner=pruner)
        self._kept_id = storage.get_study_id_from_name(name)
        self._memory_id = self._in_memory.get_study_id_from_name(name)
        for trial in self.kept.get_trials(deepcopy=False):  # whatever they are: `add_trials` is strict
            self._in_memory.create_new_trial(self._memory_id, template_trial=trial)
        self._count = len(self.trials())  # of those in the storage
        self._ids: dict[int, int] = {}  # of trials in the storage, by number

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Those in one of `states`, or all, in ask order; to be read only."""
        return self._in_memory.as_they_are(self._memory_id, states)

    def veil(self, numbers: Collection[int]) -> None:
        """From here on sampler and pruner, and whoever reads `memory`, see these trials as if they still ran."""
        self._in_memory.veiled = frozenset(numbers)

    def trial(self, number: int) -> FrozenTrial:
        """One trial; to be read only."""
        return self._in_memory.get_trial(self._id_in_memory(number))

    def ask(
        self, sampler: BaseSampler, space: dict[str, BaseDistribution], params: Mapping[str, Any] | None = None
    ) -> FrozenTrial:
        """The first trial that waits, or a new one with `params` or else what `sampler` proposes; it is running now.

        A new trial comes to the storage whole or not at all. Raises `Stopped` where somebody else has added one there.
        Memory is changed first, here and in `tell`: if the storage then fails, it is not looked at again.
        """
        if params is not None:
            self.memory.enqueue_trial(dict(params))
        waiting = self.trials(TrialState.WAITING)
        drawn = set(waiting[0].params) if waiting else set()
        self.memory.sampler = sampler
        trial = self.trial(self.memory.ask(space).number)
        if trial.number == self._count:
            self._add(trial)
        else:
            kept_id = self._id(trial.number)
            self._storage.set_trial_state_values(kept_id, TrialState.RUNNING)
            for name, value in trial.params.items():
                if name not in drawn:  # somebody enqueued it
                    distribution = trial.distributions[name]
                    internal = distribution.to_internal_repr(value)
                    self._storage.set_trial_param(kept_id, name, internal, distribution)
        return trial

    def report(self, number: int, value: float, step: int) -> None:
        """Add an intermediate value to a running trial."""
        for storage, trial_id in self._first_kept(number):
            storage.set_trial_intermediate_value(trial_id, step, value)

    def is_to_be_pruned(self, number: int) -> bool:
        """What the pruner says of a running trial."""
        return self.memory.pruner.prune(self.memory, self.trial(number))

    def set_user_attr(self, number: int, key: str, value: str) -> None:
        """Set an attribute of a running trial."""
        for storage, trial_id in self._first_kept(number):
            storage.set_trial_user_attr(trial_id, key, value)

    def put_back(self, number: int) -> None:
        """Let a running trial wait."""
        for storage, trial_id in self._first_kept(number):
            storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def tell(self, number: int, state: TrialState, value: float | None) -> None:
        """End a running trial, as `optuna.Study.tell` does."""
        told = self.memory.tell(number, value, state)
        self._storage.set_trial_state_values(self._id(number), told.state, told.values)

    def _add(self, trial: FrozenTrial) -> None:
        made = self._storage.create_new_trial(self._kept_id, template_trial=trial)
        self._count += 1
        if made != self._id(trial.number):
            raise Stopped(f"somebody else added trials to study {self.kept.study_name!r}: give the command again", 1)

    def _first_kept(self, number: int) -> Iterator[tuple[BaseStorage, int]]:
        yield self._storage, self._id(number)
        yield self._in_memory, self._id_in_memory(number)

    def _id_in_memory(self, number: int) -> int:
        return self._in_memory.get_trial_id_from_study_id_trial_number(self._memory_id, number)

    def _id(self, number: int) -> int:
        if number not in self._ids:
            self._ids[number] = self._storage.get_trial_id_from_study_id_trial_number(self._kept_id, number)
        return self._ids[number]
