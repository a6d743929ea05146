"""One Optuna study that can be stopped at any moment: ask, tell, prune, resume.

Decides what is asked and told, through a `Mirror`. It runs nothing and tracks nothing.

Trials are asked in rounds, run anywhere in any order, and told in ask order once their round is over. While a round
runs, pruning looks only at earlier rounds, and each trial is sampled with a seed of its own. So proposals, pruning
and results depend on the seed alone, not on how many workers there are, which of them is faster, where the search was
stopped and resumed, or how many trials it had before. An outcome is written down when its trial ends; a stop puts the
open round back as waiting.
"""

import json
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner
from optuna.trial import FrozenTrial, TrialState

from harness.core.defaults import LESSON, Library
from harness.core.errors import UserError
from harness.core.seeds import derive
from harness.studies.cached_study import Mirror
from harness.studies.sampler import Sampler
from harness.studies.space import Space
from harness.studies.storage import open_storage
from harness.studies.trial import Outcome, Trial

_OUTCOME = "outcome"
_SETTINGS = "settings"
_PRODUCTS = "products"
_PRUNER = MedianPruner(n_startup_trials=5, n_warmup_steps=2, interval_steps=1, n_min_trials=5)
# Diverged trials are told as pruned: Optuna's samplers learn from those, while a failed trial teaches them nothing.
_TOLD_AS = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "diverged": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Study:
    """A study in Optuna's storage at `url`, made on first use, refused where it was made with other settings.

    Raises `UserError` where the storage cannot be opened or the settings differ.
    """

    def __init__(self, url: str, name: str, space: Space, seed: int, settings: dict[str, Any]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name = name
        self.space = space
        self._seed = seed
        self._mirror = Mirror(open_storage(url), name, _PRUNER)
        self._check_settings(settings | {"seed": seed, "space": space.model_dump(mode="json")})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._mirror.kept.set_metric_names(["val_accuracy"])
        self._best: Trial | None = None
        self._best_is_known = False
        self._told: dict[int, Trial] = {}  # does not change any more, and reading 10,000 of them takes a while

    @property
    def optuna(self) -> optuna.Study:
        """The study as Optuna has it, to be read only."""
        return self._mirror.memory

    def trials(self) -> list[Trial]:
        """Every trial that counts, in ask order, finished or not."""
        return [self._trial(frozen) for frozen in self._mirror.trials() if not _is_discarded(frozen)]

    def finished(self) -> list[Trial]:
        """The trials that were told."""
        done = self._mirror.trials()
        return [self._trial(frozen) for frozen in done if frozen.state.is_finished() and not _is_discarded(frozen)]

    def best(self) -> Trial | None:
        """The told trial with the highest value, the first of equals; None while none is complete."""
        if not self._best_is_known:
            complete = [trial for trial in self.finished() if trial.outcome and trial.outcome.state == "complete"]
            self._best = max(complete, key=lambda trial: trial.value, default=None)
            self._best_is_known = True
        return self._best

    @property
    def products(self) -> Library | None:
        """By which library the products of its stacks are made; None as long as that is not kept."""
        kept: Library | None = self._mirror.kept.user_attrs.get(_PRODUCTS)
        return kept

    def keep_products(self, products: Library) -> None:
        """Write this down for whoever goes on with the study, if it begins now: earlier code kept nothing."""
        if self.products is None and not self.trials():
            self._mirror.kept.set_user_attr(_PRODUCTS, products)

    @property
    def space_without_lesson(self) -> list[str]:
        """The parameters whose value in the lesson lies outside the space; [] if the lesson's setting is trial 0."""
        return self.space.outside(LESSON)

    def recover(self) -> None:
        """Put back what a dead process left running, to be run again; call it when no live process owns the study."""
        for frozen in self._mirror.trials(TrialState.RUNNING):
            self._mirror.put_back(frozen.number)

    def open_round(self, size: int, total: int) -> list[Trial]:
        """The next round: at most `size` trials, so that the study has `total` in all; [] when nothing is left.

        What an earlier process asked and did not tell comes first, with its outcome where it had ended. If all of
        those had, the round holds just them: its other members were told before the stop.

        A study that ended within a round goes on with the rest of it: what was told of that round is hidden from
        sampler and pruner until it is closed, as it would have been if the study had been that large from the start.
        """
        waiting = self._mirror.trials(TrialState.WAITING)
        done = self.finished()
        run_here = [trial for trial in done if trial.outcome]  # not added by somebody else in Optuna's own ways
        begun = len(run_here) % size
        ended = len(waiting) > 0 and all(_OUTCOME in frozen.user_attrs for frozen in waiting)
        members = len(waiting) if ended else min(size - begun, total - len(done))
        if members > 0:
            self._mirror.veil([trial.number for trial in run_here[len(run_here) - begun :]])
        return [self._ask(len(done) + position) for position in range(members)]

    def proceed(self, trial: Trial, epoch: int, val_accuracy: float, last_epoch: int) -> bool:
        """Record a trial's validation accuracy after `epoch`; whether it should train on (False: prune it).

        A trial that has trained its last epoch is complete, however it compares.
        """
        latest = self._mirror.trial(trial.number).last_step or 0
        if epoch < latest:
            return True
        if epoch > latest:
            self._mirror.report(trial.number, val_accuracy, epoch)
        return epoch == last_epoch or not self._mirror.is_to_be_pruned(trial.number)

    def settle(self, trial: Trial, outcome: Outcome) -> None:
        """Write down how a trial ended. From here on a crash does not make it run again."""
        self._mirror.set_user_attr(trial.number, _OUTCOME, json.dumps(outcome._asdict()))
        self.settled.add(trial.number)

    def close_round(self, trials: Sequence[Trial]) -> list[Trial]:
        """Tell a round, all of whose trials have an outcome, in ask order."""
        told = [self._tell(trial) for trial in trials]
        self._mirror.veil(())
        return told

    def put_back(self, trials: Sequence[Trial]) -> None:
        """Leave an unfinished round as waiting: the next process takes it up where it is, outcomes included."""
        for trial in trials:
            self._mirror.put_back(trial.number)

    def same_config(self, trial: Trial) -> int | None:
        """The number of the first earlier trial with the same parameters, or None."""
        first = self._first_with[_key(trial.params)]
        return first if first < trial.number else None

    @cached_property
    def settled(self) -> set[int]:
        """The numbers of the trials that have an outcome, told or not."""
        return {trial.number for trial in self.trials() if trial.outcome}

    @cached_property
    def _first_with(self) -> dict[tuple[tuple[str, Any], ...], int]:
        first: dict[tuple[tuple[str, Any], ...], int] = {}
        for trial in self.trials():
            first.setdefault(_key(trial.params), trial.number)
        return first

    def _ask(self, index: int) -> Trial:
        space = self.space.distributions()
        sampler = Sampler(space, derive(self._seed, f"trial {index}"))
        frozen = self._mirror.ask(sampler, space, self._lessons_params() if index == 0 and not self.trials() else None)
        trial = self._trial(frozen)
        self._first_with.setdefault(_key(trial.params), trial.number)
        return trial

    def _tell(self, trial: Trial) -> Trial:
        told = self._read(self._mirror.trial(trial.number))
        assert told.outcome is not None, f"trial {trial.number} is told before it ended"
        state = _TOLD_AS[told.outcome.state]
        self._mirror.tell(trial.number, state, told.value if state is TrialState.COMPLETE else None)
        self._best_is_known = False
        return told

    def _lessons_params(self) -> dict[str, Any] | None:
        return None if self.space_without_lesson else {name: LESSON[name] for name in self.space.searched}

    def _trial(self, frozen: FrozenTrial) -> Trial:
        if frozen.number in self._told:
            return self._told[frozen.number]
        trial = self._read(frozen)
        if frozen.state.is_finished():
            self._told[frozen.number] = trial
        return trial

    def _read(self, frozen: FrozenTrial) -> Trial:
        text = frozen.user_attrs.get(_OUTCOME)
        fields = json.loads(text) if text else None
        outcome = Outcome(**fields | {"accuracies": tuple(fields["accuracies"])}) if fields else None
        return Trial(frozen.number, self._params(frozen), outcome)

    def _params(self, frozen: FrozenTrial) -> dict[str, Any]:
        return self.space.fixed | frozen.params

    def _check_settings(self, settings: dict[str, Any]) -> None:
        made_with = self._mirror.kept.user_attrs.get(_SETTINGS)
        if made_with is None:
            self._mirror.kept.set_user_attr(_SETTINGS, settings)
            return
        for name, value in settings.items():
            if name in made_with and made_with[name] != value:
                raise UserError(
                    f"study {self.name!r} was made with {name} {_short(made_with[name])}, not {_short(value)};"
                    f" keep {name} as it was, or start another study with --study NAME"
                )


def _key(params: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))


def _is_discarded(frozen: FrozenTrial) -> bool:
    """Whether somebody else failed this trial, in Optuna's own ways, before it was run."""
    return frozen.state is TrialState.FAIL and _OUTCOME not in frozen.user_attrs


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
