"""Asks a study for trials, trains them on the engine, and tells the results, round by round.

It works in one process, the only one that writes to Optuna and MLflow. After any stop the study can be resumed: here
`reconcile` closes the runs of a dead command; a dead worker's run is retried in `engines/planning.py`.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import get_args

from harness.cli.progress import Eta
from harness.core.errors import UserError
from harness.core.metrics import EpochMetrics, Reading
from harness.engines.base import Job
from harness.engines.cost import cost
from harness.studies.guessing import Guess, did_not_learn
from harness.studies.study import Study
from harness.studies.trial import EndState, Outcome, StudyDefaults, Trial
from harness.tracking.reader import TrackedRun
from harness.tracking.recorder import RecordedJob, Recorder
from harness.tracking.schema import (
    CONFIG_HASH,
    DUPLICATE_OF,
    LEARNED,
    NOTE,
    RESTORED,
    STATE,
    TRAINING_COST,
    TRAINING_SECONDS,
    TRIAL,
    UID,
    Kind,
    State,
)


class Coordinator:
    """`run_trials` runs the trials. `check_lock` raises if another process may run the study by now.

    `guess` is what the best constant answer reaches on the validation examples.
    """

    def __init__(
        self, study: Study, recorder: Recorder, defaults: StudyDefaults, guess: Guess, check_lock: Callable[[], None]
    ) -> None:
        self._study = study
        self._recorder = recorder
        self._console = recorder.console
        self._defaults = defaults
        self._guess = guess
        self._check_lock = check_lock
        self._total = self._done = 0
        self._eta = Eta(0)
        self._only_in_mlflow: dict[int, TrackedRun] = {}
        self._pruned: set[str] = set()

    def reconcile(self) -> int:
        """Close what a dead process left open, in the study and in MLflow; the number of runs.

        A run whose trial has an outcome ends with that outcome, any other one as interrupted.
        """
        for sentence in self._study.recover():
            self._console.warn(sentence)
        outcomes = {trial.outcome.run_id: trial.outcome for trial in self._study.trials() if trial.outcome}
        open_runs = self._recorder.reconcile()
        for run in open_runs:
            uid = run.tags.get(UID, run.id)
            if uid in outcomes and STATE not in run.tags:
                self._end_run(outcomes[uid])
                self._recorder.writer.seal(run.id)
            else:
                self._recorder.writer.end_left_open(run)
        return len(open_runs)

    def compare_stores(self) -> int:
        """Give each store the trials that only the other one has: after a database was lost, or an older copy put back.

        The number of trials that `run_trials` will take over from MLflow.
        Raises `UserError` if MLflow holds a trial of this study with other hyperparameters.
        """
        reader, parent_id = self._recorder.writer.read(), self._recorder.parent_id
        runs = reader.children(parent_id, "trial")
        recorded = {int(run.tags[TRIAL]): run for run in runs if run.tags.get(STATE) in get_args(EndState)}
        by_uid = {run.tags[UID]: run for run in runs if UID in run.tags}
        deleted = {int(run.tags[TRIAL]) for run in reader.children(parent_id, "trial", deleted=True)}
        known = [trial for trial in self._study.trials() if trial.outcome]
        self._only_in_mlflow = {number: recorded[number] for number in recorded.keys() - {one.number for one in known}}
        unrecorded = [trial for trial in known if trial.number not in recorded.keys() | deleted]
        for outcome in (trial.outcome for trial in unrecorded if trial.outcome and trial.outcome.run_id in by_uid):
            self._end_run(outcome)  # its last records did not arrive
            self._recorder.writer.seal(by_uid[outcome.run_id].id)
            self._recorder.writer.restore_name(by_uid[outcome.run_id])
        lost = [trial for trial in unrecorded if trial.outcome and trial.outcome.run_id not in by_uid]
        for trial in lost:
            self._restore_run(trial)
        if lost:
            self._console.warn(
                f"MLflow lacked {len(lost)} trials of this study: they are written again from Optuna's record, which"
                " holds their validation accuracies only"
            )
        return len(self._only_in_mlflow)

    def run_trials(self, total: int, round_size: int) -> None:
        """Run rounds until the study has `total` trials or the recorder is stopped."""
        self._total = total
        self._done = self._study.done
        self._eta = Eta(total - self._done)
        self._show_progress()
        self._check_lock()
        while not self._recorder.stopped and (trials := self._study.open_round(round_size, total)):
            self._run_round(trials)
            self._show_progress()

    def _run_round(self, trials: Sequence[Trial]) -> None:
        fresh: dict[str, Trial] = {}
        duplicates: list[tuple[Trial, int]] = []
        for trial in trials:
            if trial.outcome is None:
                earlier = self._study.find_duplicate(trial)
                if trial.number in self._only_in_mlflow:
                    self._take_over(trial, earlier)
                elif earlier is None:
                    fresh[f"trial {trial.number}"] = trial
                else:
                    duplicates.append((trial, earlier))
        try:
            self._train(fresh)
            for trial, earlier in duplicates:
                self._copy_outcome(trial, earlier)
        finally:
            if self._study.numbers_with_outcome.issuperset(trial.number for trial in trials):
                self._study.close_round(trials)
            else:
                self._study.requeue(trials)

    def _train(self, trials: dict[str, Trial]) -> None:
        def proceed(job: Job, metrics: EpochMetrics) -> bool:
            assert metrics.val_accuracy is not None, "a trial needs validation images"
            trial = trials[job.name]
            train_on = self._study.should_continue(trial, metrics.epoch, metrics.val_accuracy, job.config.epochs)
            if not train_on:
                self._pruned.add(job.name)
            return train_on

        jobs = [self._job(name, trial) for name, trial in trials.items()]
        jobs.sort(key=lambda job: -cost(job.config))
        kinds: dict[str, Kind] = dict.fromkeys(trials, "trial")
        tags = {name: {TRIAL: str(trial.number)} for name, trial in trials.items()}
        with closing(self._recorder.run(jobs, kinds, proceed, tags)) as records:
            for record in records:
                self._record(trials[record.job.name], record)

    def _record(self, trial: Trial, record: RecordedJob) -> None:
        name, note = record.job.name, record.result.note
        accuracies = tuple(m.val_accuracy for m in record.epochs if m.val_accuracy is not None)
        if record.result.state == "stopped" and name not in self._pruned:
            state: State = "interrupted"
            note = note or f"stopped after epoch {len(accuracies)}; a resumed search runs it again"
            self._recorder.writer.end_run(record.run, state, note)
        else:
            state = "pruned" if record.result.state == "stopped" else record.result.state
            guesses = state != "diverged" and bool(record.epochs) and did_not_learn(record.epochs[-1], self._guess)
            if guesses:
                note = f"did not learn: to always guess one class gives {self._guess.accuracy:.4f}"
            seconds, cost = record.seconds, record.cost
            outcome = Outcome(state, note, accuracies, seconds, record.run, learned=not guesses, cost=cost)
            self._check_lock()
            self._study.record_outcome(trial, outcome)
            self._end_run(outcome)
        self._show_progress()
        result = f"{accuracies[-1]:.4f} at epoch {len(accuracies)}, {record.seconds:.1f} s" if accuracies else ""
        shown = record.result.note if state == "interrupted" else note
        self._console.print_run(name, state, result, trial.params, shown)

    def _take_over(self, trial: Trial, earlier: int | None) -> None:
        """Record the outcome that MLflow holds of this trial, without training it again."""
        run = self._only_in_mlflow[trial.number]
        if run.tags[CONFIG_HASH] != self._job("", trial).config.content_hash:
            raise UserError(
                f"MLflow holds trial {trial.number} of study {self._study.name!r} with other hyperparameters (run"
                f" {run.id}): put the --storage back that it was made with, or use --study NAME"
            )
        reader = self._recorder.writer.read()
        history = reader.history(run, "val_accuracy")
        state: EndState = run.tags[STATE]  # type: ignore[assignment]  # `compare_stores` chose those states
        accuracies = tuple(history.values())
        if earlier is None:
            for epoch, accuracy in history.items():
                self._study.should_continue(trial, epoch, accuracy, trial.params["epochs"])
            seconds = sum(reader.history(run, "epoch_seconds").values())
        else:
            first = next(other for other in self._study.trials() if other.number == earlier)
            accuracies, seconds = first.outcome.accuracies if first.outcome else accuracies, 0.0
        learned = run.tags.get(LEARNED) != "false"
        uid, cost = run.tags.get(UID, run.id), int(run.metrics.get(TRAINING_COST, 0))
        outcome = Outcome(state, run.tags.get(NOTE, ""), accuracies, seconds, uid, earlier, learned, cost)
        self._study.record_outcome(trial, outcome)

    def _restore_run(self, trial: Trial) -> None:
        """Write the run of a trial again, as far as the study knows it."""
        assert trial.outcome is not None
        outcome, name, writer = trial.outcome, f"trial {trial.number}", self._recorder.writer
        tags, runs = {TRIAL: str(trial.number), RESTORED: "from the study in Optuna"}, {}
        if outcome.same_as is not None:
            first = next(other for other in self._study.trials() if other.number == outcome.same_as)
            runs = {DUPLICATE_OF: first.outcome.run_id} if first.outcome else {}
        config = self._job(name, trial).config
        run = writer.start_run(self._recorder.parent_id, name, "trial", config, tags, runs, outcome.run_id)
        if outcome.same_as is None:
            epochs = enumerate(outcome.accuracies, start=1)
            writer.log_readings(run, [Reading("val_accuracy", epoch, accuracy) for epoch, accuracy in epochs])
        self._end_run(outcome._replace(run_id=run))

    def _copy_outcome(self, trial: Trial, earlier_number: int) -> None:
        """Record the outcome of an earlier trial with the same config, without training it again."""
        earlier = next(other for other in self._study.trials() if other.number == earlier_number)
        if earlier.outcome is None:  # it was stopped in this round
            return
        name = f"trial {trial.number}"
        note = f"same config as trial {earlier_number}, not trained again"
        run = self._recorder.writer.start_run(
            self._recorder.parent_id,
            name,
            "trial",
            self._job(name, trial).config,
            {TRIAL: str(trial.number)},
            {DUPLICATE_OF: earlier.outcome.run_id},
        )
        outcome = earlier.outcome._replace(note=note, run_id=run, same_as=earlier_number, seconds=0.0, cost=0)
        self._study.record_outcome(trial, outcome)
        self._end_run(outcome)
        self._console.print_run(name, outcome.state, "", trial.params, note)

    def _end_run(self, outcome: Outcome) -> None:
        metrics = outcome.best_metrics
        if outcome.same_as is not None and outcome.accuracies:
            metrics["val_accuracy"] = outcome.accuracies[-1]
        if outcome.seconds:
            metrics[TRAINING_SECONDS] = outcome.seconds
        if outcome.cost:
            metrics[TRAINING_COST] = outcome.cost
        tags = {} if outcome.learned else {LEARNED: "false"}
        self._recorder.writer.end_run(outcome.run_id, outcome.state, outcome.note, metrics, tags)

    def _job(self, name: str, trial: Trial) -> Job:
        return Job(name, self._defaults.config(trial.params, "search"))

    def _show_progress(self) -> None:
        newly_done = self._study.done - self._done
        self._eta.advance(newly_done)
        self._done += newly_done
        self._console.set_progress(self._done, self._total, left=self._eta.text())
        best = self._study.best()
        if best:
            self._console.show_best(best.value, best.params)
