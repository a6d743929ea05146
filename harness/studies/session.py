"""Runs one study in this process: takes it over, runs trials and what follows them, publishes page and summary."""

import errno
import json
import math
import statistics
from collections.abc import Sequence

from harness.cli.command import this_command
from harness.cli.signals import stop_on_signals
from harness.core.errors import Stopped, UserError
from harness.core.intervals import mean_interval
from harness.data.dataset import Dataset, split_indices
from harness.storage.locks import Lock
from harness.storage.process import describe_owner
from harness.studies.coordinator import Coordinator
from harness.studies.finals import Finals
from harness.studies.fresh_runs import FreshRuns
from harness.studies.guessing import best_guess
from harness.studies.model_card import model_card
from harness.studies.request import SearchPlan
from harness.studies.study import Study
from harness.studies.summary import Summary, markdown, summarise, warnings
from harness.studies.trial import StudyDefaults, Trial
from harness.tracking.model import describe_model
from harness.tracking.reader import ExperimentReader
from harness.tracking.recorder import Recorder
from harness.tracking.schema import (
    COMMAND,
    CONFIRMED,
    FRESH_SEEDS,
    IMPORTANCES,
    SEARCHED,
    SPACE,
    TRIALS,
    WARNINGS,
    WINNER,
    State,
)
from harness.tracking.views import save_view

PAGE = "study.html"


class SearchSession:
    """`search` runs the study to its end, as `plan` asks. `lock` is the lock of the study."""

    def __init__(
        self,
        study: Study,
        recorder: Recorder,
        dataset: Dataset,
        defaults: StudyDefaults,
        plan: SearchPlan,
        lock: Lock,
    ) -> None:
        self._study = study
        self._recorder = recorder
        self._seed = defaults.seed
        self._plan = plan
        self._lock = lock
        validation = split_indices(dataset.train_labels, "search", defaults.seed).validation
        guess = best_guess(dataset.train_labels[validation])
        self._coordinator = Coordinator(study, recorder, defaults, guess, lock.check)
        runs = FreshRuns(recorder, dataset, lock.check)
        self._finals = Finals(study, runs, dataset, defaults, plan.finals)

    def finished(self) -> Summary | None:
        """The summary of a study that has all that was asked for; else None."""
        parent = self._recorder.writer.parent(self._study.name, "study")
        trials = self._study.finished()
        if parent is None or parent.status != "FINISHED" or len(trials) < self._plan.trials:
            return None
        recorded = parent.tags.get(TRIALS)
        if recorded is not None and recorded != _count_run(trials):  # one of the two stores is older than the other
            return None
        unfinished = self._recorder.writer.read().children(parent.id, unfinished=True)
        is_running = any(run.status == "RUNNING" for run in unfinished)  # somebody set it so
        return None if is_running or self._finals.missing(parent.id) else self._summary(parent.id)

    def search(self, artifacts: dict[str, str]) -> Summary:
        """Run what is missing: trials, the runs that confirm the best, the tests of the winner and of the lesson's
        setting. Log `artifacts` (name → text) and the study's page.

        Raises `UserError` if another live process runs this study, `Stopped` if the user or the timeout ended it early
        or no trial is complete.
        """
        self._check_owner()
        plan, recorder = self._plan, self._recorder
        space = self._study.space
        params: dict[str, object] = {"seed": self._seed, "round": plan.round_size}
        params |= {"sampler": plan.sampler, "pruner": plan.pruner}
        params |= {"network": space.network.spec} if space.network else {}
        recorder.open(self._study.name, "study", params, {SEARCHED: " ".join(space.searched)})
        state: State = "failed"
        try:
            with stop_on_signals(recorder.stop, recorder.console) as caught:
                reader = recorder.writer.read()
                save_view(reader.client, reader.experiment_id, reader.run(recorder.parent_id))
                self._check_network(reader)
                recorder.writer.log_texts(recorder.parent_id, artifacts)
                self._close_open_runs()
                self._compare_stores()
                recorder.limit(plan.timeout)
                self._coordinator.run_trials(plan.trials, plan.round_size)
                failed = 0
                if not recorder.stopped:
                    failed = self._finals.confirm()
                if not recorder.stopped and not failed:
                    failed = self._finals.test(recorder.parent_id)
            if recorder.stopped:
                state = "interrupted"
                raise self._stopped(caught)
            if failed:
                raise Stopped(f"{failed} runs after the trials failed; try them again with: {this_command()}", 1)
            summary = self._summary(recorder.parent_id)
            if summary is None:
                raise Stopped("no trial is complete, so there is no winner: see harness.note of the runs in MLflow", 1)
            self._publish(summary)
            state = "complete"
            return summary
        except KeyboardInterrupt:
            state = "interrupted"
            raise
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            state = "interrupted"  # its terminal was closed while it printed, maybe before SIGHUP came
            stopped = self._stopped(caught)
            raise Stopped(f"{stopped} ({error.strerror})", stopped.status or 1) from None
        except Stopped as error:
            if not recorder.stopped or state == "interrupted":
                raise
            state = "interrupted"  # it was about to stop when something else happened
            stopped = self._stopped(caught)
            raise Stopped(f"{stopped} ({error})", stopped.status) from None
        finally:
            recorder.finish(state)

    def _check_owner(self) -> None:
        if self._lock.reach == "server":
            return
        elsewhere = self._lock.reach == "none"
        owner = self._recorder.writer.live_owner(self._study.name, "study", elsewhere)
        if owner:
            raise UserError(
                f"study {self._study.name!r} is being run by another process ({describe_owner(owner)}): wait for it, or"
                " use --study NAME"
            )

    def _check_network(self, reader: ExperimentReader) -> None:
        """Raise `UserError` if MLflow holds another text of the study's network, which its runs were made with."""
        network, parent_id = self._study.space.network, self._recorder.parent_id
        if network is None:
            return
        try:
            recorded = reader.text(parent_id, network.file)
        except UserError:  # the study begins
            return
        if recorded != network.text:
            raise UserError(
                f"study {self._study.name!r} was made with another text of {network.file}, which its run in MLflow"
                " holds: restore the file, or use --study NAME"
            )

    def _close_open_runs(self) -> None:
        closed = self._coordinator.reconcile()
        if closed:
            self._recorder.console.print(f"closed {closed} runs of a process that died, as interrupted")

    def _compare_stores(self) -> None:
        taken = self._coordinator.compare_stores()
        if taken and self._plan.is_stored:
            self._recorder.console.warn(
                f"--storage lacks {taken} trials of this study: they are taken over from MLflow"
            )

    def _summary(self, parent_id: str) -> Summary | None:
        results = self._finals.results(parent_id)
        return summarise(self._study, results) if results else None

    def _publish(self, summary: Summary) -> None:
        writer, parent_id = self._recorder.writer, self._recorder.parent_id
        writer.set_description(parent_id, markdown(summary))
        # NaN replaces the numbers of an earlier winner, because MLflow cannot delete a metric.
        accuracy = math.nan if summary.diverged else statistics.mean(summary.test_accuracies)
        gain = summary.gain or mean_interval([])
        metrics = {"val_accuracy": summary.best.value, "test_accuracy": accuracy}
        metrics |= {"test_gain": gain.mean, "test_gain_low": gain.low, "test_gain_high": gain.high}
        writer.log_metrics(parent_id, metrics)
        final = summary.final
        tags = {TRIALS: _count_run(summary.trials), WINNER: str(final.winner.number)}
        tags[CONFIRMED] = " ".join(str(candidate.trial.number) for candidate in final.candidates)
        confirm_seeds = self._plan.finals.confirm_seeds
        tags[FRESH_SEEDS] = f"{confirm_seeds} {len(final.tested)}"
        tags |= {COMMAND: this_command(portable=True), SPACE: self._study.space.text()}
        tags[IMPORTANCES] = json.dumps(summary.importances)
        tags[WARNINGS] = json.dumps(warnings(summary))
        writer.set_tags(parent_id, tags)
        for run in final.tested:
            if run.model and run.test_accuracy is not None:
                card = model_card(summary, run, writer.dataset)
                describe_model(writer, run.run_id, run.model, card, {"test_accuracy": run.test_accuracy})
        self._write_page()

    def _write_page(self) -> None:
        """Log the study's page, from what is recorded by now; without it the study is as complete as with it."""
        from harness.studies.frames import frames_of
        from harness.studies.page import study_page  # Plotly takes a second to import

        writer, parent_id = self._recorder.writer, self._recorder.parent_id
        reader = writer.read()
        try:
            page = study_page(frames_of(reader, reader.run(parent_id)), reader.uri)
        except UserError as error:  # somebody altered a run
            self._recorder.console.warn(f"the study has no page in MLflow: {error}")
        else:
            writer.log_texts(parent_id, {PAGE: page})

    def _stopped(self, caught: list[int]) -> Stopped:
        done, total = self._study.done, self._plan.trials
        what = (
            f"with {done} of {total} trials done" if done < total else "after the trials, before the winner's last test"
        )
        status = 128 + caught[0] if caught else 0
        return Stopped(f"stopped {what}; resume with: {this_command()}", status)


def _count_run(trials: Sequence[Trial]) -> str:
    """The number of trials that were run here; others were added to the study through Optuna."""
    return str(sum(trial.outcome is not None for trial in trials))
