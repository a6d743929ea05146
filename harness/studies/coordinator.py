"""Carries a study to its end, round by round: what the study asks goes to the engine, what comes back is told.

Works in one process, the only one that touches Optuna and MLflow. Any stop leaves the study resumable.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing

from harness.cli.console import Screen
from harness.core.metrics import EpochMetrics
from harness.engines.base import Engine, Job
from harness.engines.cost import work
from harness.studies.study import Study
from harness.studies.trial import Outcome, Shared, Trial
from harness.tracking.reader import DUPLICATE_OF, TRIAL, State
from harness.tracking.recorder import Record, Recorder
from harness.tracking.retry import UID
from harness.tracking.writer import Tracking


class Coordinator:
    """`search` runs the trials; `stop` makes it end early, after the running epochs. `check_hold` raises where another
    process may have the study by now."""

    def __init__(
        self,
        study: Study,
        engine: Engine,
        tracking: Tracking,
        recorder: Recorder,
        screen: Screen,
        parent_id: str,
        shared: Shared,
        check_hold: Callable[[], None],
    ) -> None:
        self._study = study
        self._engine = engine
        self._tracking = tracking
        self._recorder = recorder
        self._screen = screen
        self._parent_id = parent_id
        self._shared = shared
        self._check_hold = check_hold
        self._deadline = float("inf")
        self._total = 0
        self._pruned: set[str] = set()
        self.stopped = False

    def stop(self) -> None:
        """Start nothing more; what runs stops after its epoch. Safe in a signal handler."""
        self.stopped = True
        self._engine.drain()
        self._tracking.hurry()

    def reconcile(self) -> int:
        """Close what a dead process left open, in the study and in MLflow; how many runs there were.

        A run whose trial had already ended is closed as it ended, any other as interrupted.
        """
        self._study.recover()
        outcomes = {trial.outcome.run_id: trial.outcome for trial in self._study.trials() if trial.outcome}
        left = self._recorder.reconcile()
        for run in left:
            uid = run.tags.get(UID, run.id)
            if uid in outcomes:
                self._close(outcomes[uid])
            else:
                self._tracking.finish(run.id, "interrupted", "its process died")
        return len(left)

    def search(self, total: int, round_size: int, timeout: float | None) -> None:
        """Run rounds until the study has `total` trials, `stop` is called, or `timeout` seconds have passed."""
        if timeout is not None:
            self._deadline = time.monotonic() + timeout
        self._total = total
        self._show_progress()
        self._check_hold()
        while not self.stopped and (trials := self._study.open_round(round_size, total)):
            self._run_round(trials)
            self._show_progress()

    def _run_round(self, trials: Sequence[Trial]) -> None:
        fresh: dict[str, Trial] = {}
        copies: list[tuple[Trial, int]] = []
        for trial in trials:
            if trial.outcome is None:
                earlier = self._study.same_config(trial)
                if earlier is None:
                    fresh[f"trial {trial.number}"] = trial
                else:
                    copies.append((trial, earlier))
        try:
            self._train(fresh)
            for trial, number in copies:
                self._copy(trial, number)
        finally:
            if self._study.settled.issuperset(trial.number for trial in trials):
                self._study.close_round(trials)
            else:
                self._study.put_back(trials)

    def _train(self, trials: dict[str, Trial]) -> None:
        def proceed(job: Job, metrics: EpochMetrics) -> bool:
            assert metrics.val_accuracy is not None, "a trial is judged on validation images"
            train_on = self._study.proceed(trials[job.name], metrics.epoch, metrics.val_accuracy, job.config.epochs)
            if not train_on:
                self._pruned.add(job.name)
            self._watch_the_clock()
            return train_on

        jobs = [self._job(name, trial) for name, trial in trials.items()]
        jobs.sort(key=lambda job: -work(job.config))
        tags = {name: {TRIAL: str(trial.number)} for name, trial in trials.items()}
        with closing(self._recorder.run(jobs, "trial", proceed, tags)) as records:
            for record in records:
                self._settle(trials[record.job.name], record)

    def _settle(self, trial: Trial, record: Record) -> None:
        name, note = record.job.name, record.ending.note
        accuracies = tuple(m.val_accuracy for m in record.epochs if m.val_accuracy is not None)
        if record.ending.state == "stopped" and name not in self._pruned:
            state: State = "interrupted"
            note = note or f"stopped after epoch {len(accuracies)}; a resumed search runs it again"
            self._tracking.finish(record.run_id, state, note)
        else:
            state = "pruned" if record.ending.state == "stopped" else record.ending.state
            outcome = Outcome(state, note, accuracies, record.seconds, record.run_id)
            self._check_hold()
            self._study.settle(trial, outcome)
            self._close(outcome)
        self._show_progress()
        result = f"{accuracies[-1]:.4f} at epoch {len(accuracies)}, {record.seconds:.1f} s" if accuracies else ""
        self._screen.ended(name, state, " · ".join(filter(None, (result, record.ending.note))), trial.params)

    def _copy(self, trial: Trial, earlier_number: int) -> None:
        """Settle a trial whose config was run before with that run's outcome, without training it again."""
        earlier = next(other for other in self._study.trials() if other.number == earlier_number)
        if earlier.outcome is None:  # it was stopped in this very round
            return
        name = f"trial {trial.number}"
        note = f"same config as trial {earlier_number}, not trained again"
        tags, same = {TRIAL: str(trial.number)}, {DUPLICATE_OF: earlier.outcome.run_id}
        run_id = self._tracking.start(self._parent_id, name, "trial", self._job(name, trial).config, tags, same)
        outcome = earlier.outcome._replace(note=note, run_id=run_id, same_as=earlier_number, seconds=0.0)
        self._study.settle(trial, outcome)
        self._close(outcome)
        self._screen.ended(name, outcome.state, note, trial.params)

    def _close(self, outcome: Outcome) -> None:
        metrics = outcome.best
        if outcome.same_as is not None and outcome.accuracies:
            metrics["val_accuracy"] = outcome.accuracies[-1]
        self._tracking.finish(outcome.run_id, outcome.state, outcome.note, metrics)

    def _watch_the_clock(self) -> None:
        if not self.stopped and time.monotonic() > self._deadline:
            self._screen.say("time is up: running trials stop after their epoch")
            self.stop()

    def _job(self, name: str, trial: Trial) -> Job:
        return Job(name, self._shared.config(trial.params, "search"))

    def _show_progress(self) -> None:
        self._screen.progress(len(self._study.settled), self._total)
        best = self._study.best()
        if best:
            self._screen.best(best.value, best.params)
