"""One Optuna study that can be stopped at any moment: asks, tells, prunes and resumes. It trains and tracks nothing.

Trials are asked in rounds, run in any order, and told in ask order when the round is over. During a round, the pruner
sees earlier rounds only. Each trial is sampled with its own seed. Therefore proposals, pruning and results depend on
the seed alone: not on the number of workers, their speed, interruptions, or how many trials the study had before.
"""

import json
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.trial import FrozenTrial, TrialState

from harness.core.defaults import MatmulBackend, PrunerChoice, SamplerChoice
from harness.core.errors import UserError
from harness.studies.acceptance import OUTCOME, PRUNER, SAMPLER, check_study, check_trials
from harness.studies.cached_study import CachedStudy
from harness.studies.first_configs import FIRST, FirstConfigs
from harness.studies.sampler import make_sampler
from harness.studies.space import Space
from harness.studies.storage import open_storage
from harness.studies.trial import Outcome, Trial

# Key of Optuna's user attributes.
_MATMUL_BACKEND = "products"
_PRUNERS: dict[PrunerChoice, BasePruner] = {
    "median": MedianPruner(n_startup_trials=5, n_warmup_steps=2, interval_steps=1, n_min_trials=5),
    "none": NopPruner(),
}
# A diverged trial is told as pruned, because Optuna's samplers learn from pruned trials and ignore failed ones.
_TOLD_AS = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "diverged": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Study:
    """A study in Optuna's storage at `url`, created if there is none.

    Raises `UserError` if the storage cannot be opened or the study was created with other settings.
    """

    def __init__(self, url: str, name: str, space: Space, seed: int, settings: dict[str, Any]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name = name
        self.space = space
        self._seed = seed
        self._sampler: SamplerChoice = settings.get(SAMPLER, "tpe")
        self._study = CachedStudy(open_storage(url), name, _PRUNERS[settings.get(PRUNER, "median")])
        check_study(self._study.stored, settings | {"seed": seed, "space": space.model_dump(mode="json")})
        check_trials(name, self._study.trials(), space.distributions(), self._parse)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._study.stored.set_metric_names(["val_accuracy"])
        self._best: Trial | None = None
        self._best_is_known = False
        self._told: dict[int, Trial] = {}  # never change again, and parsing 10,000 of them takes time
        self._enqueue_first()

    @property
    def optuna(self) -> optuna.Study:
        """The Optuna study. Read only."""
        return self._study.cached

    def trials(self) -> list[Trial]:
        """Every trial that counts, in ask order, finished or not."""
        return [self._trial(frozen) for frozen in self._study.trials() if not _is_discarded(frozen)]

    def finished(self) -> list[Trial]:
        """The trials that were told."""
        done = self._study.trials()
        return [self._trial(frozen) for frozen in done if frozen.state.is_finished() and not _is_discarded(frozen)]

    def best(self) -> Trial | None:
        """The told trial with the highest value, the first one if there are several; None if none is complete."""
        if not self._best_is_known:
            complete = [trial for trial in self.finished() if trial.outcome and trial.outcome.state == "complete"]
            self._best = max(complete, key=lambda trial: trial.value, default=None)
            self._best_is_known = True
        return self._best

    @property
    def matmul_backend(self) -> MatmulBackend | None:
        """The backend that multiplies matrices in this study's stacks; None if it was never recorded."""
        backend: MatmulBackend | None = self._study.stored.user_attrs.get(_MATMUL_BACKEND)
        return backend

    def keep_matmul_backend(self, backend: MatmulBackend) -> None:
        """Record the backend if the study has no trials yet."""
        if self.matmul_backend is None and not self.trials():
            self._study.stored.set_user_attr(_MATMUL_BACKEND, backend)

    def begin_with(self, first: FirstConfigs) -> None:
        """Try these configs before any other; the lesson's own setting stays ahead of them.

        Raises `UserError` if the study began otherwise.
        """
        begun: dict[str, Any] | None = self._study.stored.user_attrs.get(FIRST)
        if begun is None and self.trials():
            raise UserError(f"study {self.name!r} has trials already: {first.source} is for a new study (--study NAME)")
        if begun is None:
            begun = first._asdict()
            self._study.stored.set_user_attr(FIRST, begun)
        elif begun["source"] != first.source:
            raise UserError(
                f"study {self.name!r} began with {begun['source']}, not {first.source}; keep it as it was, leave it"
                " out, or start another study with --study NAME"
            )
        self._enqueue_first()

    def _enqueue_first(self) -> None:
        """Enqueue what a study tries first, or what a stop left out of it."""
        begun = self._study.stored.user_attrs.get(FIRST)
        if begun is not None:
            lesson = self._lesson_params()
            wanted = ([] if lesson is None else [lesson]) + begun["params"]
            for params in wanted[len(self._study.trials()) :]:
                self._study.enqueue(params)

    @property
    def params_outside_space(self) -> list[str]:
        """The parameters whose value in the lesson is outside the space. If [], trial 0 is the lesson's setting."""
        return self.space.lesson_outside

    def recover(self) -> list[str]:
        """Requeue what a dead process left running, and fail what was enqueued by hand outside the search space.

        Call it only while no other process runs the study. The result is a sentence for each failed trial.
        """
        for frozen in self._study.trials(TrialState.RUNNING):
            self._study.requeue(frozen.number)
        refused = []
        for frozen in self._study.trials(TrialState.WAITING):
            asked = frozen.system_attrs.get("fixed_params", {})  # Optuna has no other way to read them
            if outside := self.space.outside(asked):
                values = ", ".join(f"{name} {asked[name]!r}" for name in outside)
                refused.append(
                    f"trial {frozen.number} was enqueued with {values}, outside the search space: it is left out"
                )
                self._study.fail(frozen.number)
        return refused

    def open_round(self, size: int, total: int) -> list[Trial]:
        """The next round: at most `size` trials, up to `total` in the study; [] if nothing is left.

        Trials that an earlier process asked and did not tell come first, with their outcome if they have one. If all of
        them have one, the round holds only them: its other members were told before the stop.

        A study that ended in the middle of a round continues with the rest of it. The part that was told already is
        hidden from sampler and pruner until the round closes, as if the study had been that large from the start.
        """
        waiting = self._study.trials(TrialState.WAITING)
        done = self.finished()
        run_here = [trial for trial in done if trial.outcome]  # others were added through Optuna by hand
        begun = len(run_here) % size
        all_ended = len(waiting) > 0 and all(OUTCOME in frozen.user_attrs for frozen in waiting)
        members = len(waiting) if all_ended else min(size - begun, total - len(done))
        if members > 0:
            self._study.hide([trial.number for trial in run_here[len(run_here) - begun :]])
        return [self._ask(len(done) + position) for position in range(members)]

    def should_continue(self, trial: Trial, epoch: int, val_accuracy: float, last_epoch: int) -> bool:
        """Record a trial's validation accuracy after `epoch`; whether to train on (False: prune it).

        A trial that has trained its last epoch is complete, whatever its accuracy.
        """
        latest = self._study.trial(trial.number).last_step or 0
        if epoch < latest:
            return True
        if epoch > latest:
            self._study.report_value(trial.number, val_accuracy, epoch)
        return epoch == last_epoch or not self._study.should_prune(trial.number)

    def record_outcome(self, trial: Trial, outcome: Outcome) -> None:
        """Store how a trial ended. From here on, a crash does not make it run again."""
        self._study.set_user_attr(trial.number, OUTCOME, json.dumps(outcome._asdict()))
        self.numbers_with_outcome.add(trial.number)

    def close_round(self, trials: Sequence[Trial]) -> list[Trial]:
        """Tell a round in ask order. All of its trials need an outcome."""
        told = [self._tell(trial) for trial in trials]
        self._study.hide(())
        return told

    def requeue(self, trials: Sequence[Trial]) -> None:
        """Leave an unfinished round waiting, including its outcomes, for the next process."""
        for trial in trials:
            self._study.requeue(trial.number)

    def find_duplicate(self, trial: Trial) -> int | None:
        """The number of the first earlier trial with the same parameters, or None."""
        first = self._first_with[_key(trial.params)]
        return first if first < trial.number else None

    @property
    def done(self) -> int:
        """The number of trials that need no training any more: told, or with an outcome that a stop left untold."""
        return len({trial.number for trial in self.finished()} | self.numbers_with_outcome)

    @cached_property
    def numbers_with_outcome(self) -> set[int]:
        """The numbers of the trials that have an outcome, told or not."""
        return {trial.number for trial in self.trials() if trial.outcome}

    @cached_property
    def _first_with(self) -> dict[tuple[tuple[str, Any], ...], int]:
        first: dict[tuple[tuple[str, Any], ...], int] = {}
        for trial in self.trials():
            first.setdefault(_key(trial.params), trial.number)
        return first

    def _ask(self, index: int) -> Trial:
        sampler = make_sampler(self._sampler, self.space, self._seed, index)
        first = self._lesson_params() if index == 0 and not self.trials() else None
        frozen = self._study.ask(sampler, self.space.distributions(), first)
        trial = self._trial(frozen)
        self._first_with.setdefault(_key(trial.params), trial.number)
        return trial

    def _tell(self, trial: Trial) -> Trial:
        told = self._parse(self._study.trial(trial.number))
        assert told.outcome is not None, f"trial {trial.number} is told before it ended"
        state = _TOLD_AS[told.outcome.state]
        self._study.tell(trial.number, state, told.value if state is TrialState.COMPLETE else None)
        self._best_is_known = False
        return told

    def _lesson_params(self) -> dict[str, Any] | None:
        """The lesson's setting, to be tried first; a grid holds it anyway, at its place."""
        if self.params_outside_space or self._sampler == "grid":
            return None
        return {name: self.space.lesson[name] for name in self.space.searched}

    def _trial(self, frozen: FrozenTrial) -> Trial:
        if frozen.number in self._told:
            return self._told[frozen.number]
        trial = self._parse(frozen)
        if frozen.state.is_finished():
            self._told[frozen.number] = trial
        return trial

    def _parse(self, frozen: FrozenTrial) -> Trial:
        text = frozen.user_attrs.get(OUTCOME)
        fields = json.loads(text) if text else None
        outcome = Outcome(**fields | {"accuracies": tuple(fields["accuracies"])}) if fields else None
        params = self.space.effective(self.space.fixed | frozen.params)
        here = {name: params[name] for name in self.space.names if name in params}
        return Trial(frozen.number, here, outcome, str(self.space.network or ""))


def _key(params: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))


def _is_discarded(frozen: FrozenTrial) -> bool:
    """Whether the trial was failed by hand, through Optuna, before it ran."""
    return frozen.state is TrialState.FAIL and OUTCOME not in frozen.user_attrs
