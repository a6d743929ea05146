"""An Optuna study that is read from memory; every change is also written to its storage.

Only the process that holds the study's lock changes it, so memory is always up to date. Optuna itself reads all open
trials from the storage for each proposal and after each epoch.
"""

import copy
import heapq
from collections.abc import Collection, Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from harness.core.errors import Stopped
from harness.storage.sqlite import watch

_FIXED = "fixed_params"  # Optuna's key for the parameters of an enqueued trial
NEWEST, BEST = 1_000, 25  # trials that a sampler sees of a long study; TPE counts at most 25 as good


class _CacheStorage(InMemoryStorage):
    """Shows trials in `hidden` as running without reports and, while `is_limited`, only part of a long study.

    `get_all_trials` always passes a set of states on, which bypasses an Optuna cache that assumes a RUNNING trial never
    becomes WAITING.
    """

    hidden: Collection[int] = ()
    is_limited = False

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        wanted = {state for state in TrialState if states is None or state in states}
        if self.hidden:
            trials = [_as_running(t) if t.number in self.hidden else t for t in self.unfiltered(study_id, deepcopy)]
            trials = [trial for trial in trials if trial.state in wanted]
        else:
            trials = super().get_all_trials(study_id, deepcopy, wanted)
        return _limited(trials) if self.is_limited and TrialState.COMPLETE in wanted else trials

    def unfiltered(
        self, study_id: int, deepcopy: bool = False, states: Collection[TrialState] = ()
    ) -> list[FrozenTrial]:
        """All trials in one of `states`, or in any, hidden or not. Read only, unless `deepcopy`."""
        return super().get_all_trials(study_id, deepcopy, set(states) or None)


def _as_running(trial: FrozenTrial) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.state = TrialState.RUNNING
    shown.values = None
    shown.datetime_complete = None
    shown.intermediate_values = {}
    return shown


def _limited(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """All running trials, the newest that have ended and the best complete ones before those, in ask order."""
    ended = [trial for trial in trials if trial.state is not TrialState.RUNNING]
    older = (trial for trial in ended[:-NEWEST] if trial.state is TrialState.COMPLETE)
    shown = heapq.nlargest(BEST, older, key=lambda trial: trial.value or 0.0) + ended[-NEWEST:]
    numbers = {trial.number for trial in shown}
    return [trial for trial in trials if trial.number in numbers or trial.state is TrialState.RUNNING]


class CachedStudy:
    """The study `name` in `storage`, created if there is none. Not usable any more once `storage` has failed.

    `stored` is the study in the storage, for its attributes. `cached` is the same study in memory, for its trials; read
    only.
    """

    def __init__(self, storage: RDBStorage, name: str, pruner: BasePruner) -> None:
        self._storage, self._cache = storage, _CacheStorage()
        self._check_file = watch(storage.url)
        self.stored = optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
        self.cached = optuna.create_study(study_name=name, storage=self._cache, direction="maximize", pruner=pruner)
        self._stored_id = storage.get_study_id_from_name(name)
        self._cached_id = self._cache.get_study_id_from_name(name)
        for trial in self.stored.get_trials(deepcopy=False):  # `add_trials` would refuse unfinished ones
            self._cache.create_new_trial(self._cached_id, template_trial=trial)
        self._stored_count = len(self.trials())
        self._stored_ids: dict[int, int] = {}

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in one of `states`, or all, in ask order. Read only."""
        return self._cache.unfiltered(self._cached_id, states=states)

    def trial(self, number: int) -> FrozenTrial:
        """One trial. Read only."""
        return self._cache.get_trial(self._cached_trial_id(number))

    def hide(self, numbers: Collection[int]) -> None:
        """From here on, show these trials to sampler, pruner and readers of `cached` as if they were still running."""
        self._cache.hidden = frozenset(numbers)

    def ask(
        self, sampler: BaseSampler, space: dict[str, BaseDistribution], params: Mapping[str, Any] | None = None
    ) -> FrozenTrial:
        """The first waiting trial, or a new one with `params` or what `sampler` proposes; its state becomes RUNNING.

        The sampler sees all running trials, the newest 1,000 that have ended, and the 25 best complete ones before
        those: TPE weighs a proposal against every trial it sees, and gives old ones little weight.

        A new trial is written to the storage in one transaction. Raises `Stopped` if another process has added trials.
        Memory changes first: if the storage then fails, this object is not used again.
        """
        self._check_file()
        if params is not None:
            self.cached.enqueue_trial(dict(params))
        waiting = self.trials(TrialState.WAITING)
        known = set(waiting[0].params) if waiting else set()
        before = set(waiting[0].system_attrs) if waiting else set()
        self.cached.sampler = sampler
        with self._limited():
            trial = self.trial(self.cached.ask(space).number)
        if trial.number == self._stored_count:
            self._store(trial)
        else:
            stored_id = self._stored_trial_id(trial.number)
            # First what was drawn, as one value: if this process dies here, the next one draws nothing anew.
            for key, attr in trial.system_attrs.items():
                if key not in before:
                    self._storage.set_trial_system_attr(stored_id, key, attr)
            self._storage.set_trial_system_attr(stored_id, _FIXED, trial.params)
            self._storage.set_trial_state_values(stored_id, TrialState.RUNNING)
            for name, value in trial.params.items():
                if name not in known:  # the trial was enqueued by hand
                    distribution = trial.distributions[name]
                    internal = distribution.to_internal_repr(value)
                    self._storage.set_trial_param(stored_id, name, internal, distribution)
        return trial

    def enqueue(self, params: Mapping[str, Any]) -> None:
        """Add a waiting trial with these parameters; the others are sampled when it is asked."""
        self._check_file()
        self.cached.enqueue_trial(dict(params))
        self._store(self.trials()[-1])

    def report_value(self, number: int, value: float, step: int) -> None:
        """Add an intermediate value to a running trial."""
        for storage, trial_id in self._both(number):
            storage.set_trial_intermediate_value(trial_id, step, value)

    def should_prune(self, number: int) -> bool:
        """What the pruner decides on a running trial."""
        return self.cached.pruner.prune(self.cached, self.trial(number))

    def set_user_attr(self, number: int, key: str, value: str) -> None:
        """Set an attribute of a running trial."""
        for storage, trial_id in self._both(number):
            storage.set_trial_user_attr(trial_id, key, value)

    def fail(self, number: int) -> None:
        """End a waiting trial as failed."""
        for storage, trial_id in self._both(number):
            storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def requeue(self, number: int) -> None:
        """Set a running trial back to WAITING."""
        for storage, trial_id in self._both(number):
            storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def tell(self, number: int, state: TrialState, value: float | None) -> None:
        """End a running trial, as `optuna.Study.tell` does."""
        ended = self.cached.tell(number, value, state)
        self._storage.set_trial_state_values(self._stored_trial_id(number), ended.state, ended.values)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        self._cache.is_limited = True
        try:
            yield
        finally:
            self._cache.is_limited = False

    def _store(self, trial: FrozenTrial) -> None:
        created = self._storage.create_new_trial(self._stored_id, template_trial=trial)
        self._stored_count += 1
        if created != self._stored_trial_id(trial.number):
            name = self.stored.study_name
            raise Stopped(f"another process added trials to study {name!r}: run the same command again", 1)

    def _both(self, number: int) -> Iterator[tuple[BaseStorage, int]]:
        """The storage first: if it fails, memory is not used again."""
        self._check_file()
        yield self._storage, self._stored_trial_id(number)
        yield self._cache, self._cached_trial_id(number)

    def _cached_trial_id(self, number: int) -> int:
        return self._cache.get_trial_id_from_study_id_trial_number(self._cached_id, number)

    def _stored_trial_id(self, number: int) -> int:
        if number not in self._stored_ids:
            self._stored_ids[number] = self._storage.get_trial_id_from_study_id_trial_number(self._stored_id, number)
        return self._stored_ids[number]
