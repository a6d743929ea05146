"""Runs one study in this process: takes it over, runs trials and winner, publishes page and summary."""

import statistics

from harness.cli.command import this_command
from harness.cli.signals import stop_on_signals
from harness.core.config import RunConfig
from harness.core.errors import Stopped, UserError
from harness.data.dataset import Dataset
from harness.storage.locks import Lock
from harness.storage.process import describe_owner
from harness.studies.coordinator import Coordinator
from harness.studies.study import Study
from harness.studies.summary import Summary, markdown, summarise
from harness.studies.trial import StudyDefaults
from harness.studies.winner import evaluate_winner, winner_configs, winner_runs
from harness.tracking.recorder import Recorder
from harness.tracking.schema import TRIALS, State

PAGE = "study.html"


class SearchSession:
    """`search` runs the study to its end. `lock` is the lock of the study."""

    def __init__(self, study: Study, recorder: Recorder, dataset: Dataset, defaults: StudyDefaults, lock: Lock) -> None:
        self._study = study
        self._recorder = recorder
        self._dataset = dataset
        self._defaults = defaults
        self._lock = lock
        self._coordinator = Coordinator(study, recorder, defaults, lock.check)

    def finished(self, total: int) -> Summary | None:
        """The summary of a study that has `total` trials and a tested winner; else None."""
        parent = self._recorder.writer.parent(self._study.name, "study")
        if parent is None or parent.status != "FINISHED" or len(self._study.finished()) < total:
            return None
        return self._summary(parent.id)

    def search(self, total: int, round_size: int, timeout: float | None, artifacts: dict[str, str]) -> Summary:
        """Run what is missing of `total` trials, then the winner; log `artifacts` (name → text) and the study's page.

        Raises `UserError` if another live process runs this study, `Stopped` if the user or `timeout` ended it early
        or no trial is complete.
        """
        self._check_owner()
        self._recorder.open(self._study.name, "study", {"seed": self._defaults.seed, "round": round_size})
        state: State = "failed"
        try:
            with stop_on_signals(self._recorder.stop, self._recorder.console) as caught:
                self._close_open_runs()
                self._coordinator.run_trials(total, round_size, timeout)
                if not self._recorder.stopped:
                    self._evaluate_winner()
            if self._recorder.stopped:
                state = "interrupted"
                raise self._stopped(total, caught)
            if failed := len(self._missing_winners()):
                raise Stopped(f"{failed} runs of the winner failed; try them again with: {this_command()}", 1)
            summary = self._summary(self._recorder.parent_id)
            if summary is None:
                raise Stopped("no trial is complete, so there is no winner: see harness.note of the runs in MLflow", 1)
            self._publish(summary, artifacts)
            state = "complete"
            return summary
        except KeyboardInterrupt:
            state = "interrupted"
            raise
        except Stopped:
            if not self._recorder.stopped or state == "interrupted":
                raise
            state = "interrupted"  # it was about to stop when the store became unavailable
            raise self._stopped(total, caught) from None
        finally:
            self._recorder.finish(state)

    def _check_owner(self) -> None:
        if self._lock.spans_hosts:
            return
        owner = self._recorder.writer.live_owner(self._study.name, "study")
        if owner:
            raise UserError(
                f"study {self._study.name!r} is being run by another process ({describe_owner(owner)}): wait for it, or"
                " use --study NAME"
            )

    def _close_open_runs(self) -> None:
        closed = self._coordinator.reconcile()
        if closed:
            self._recorder.console.print(f"closed {closed} runs of a process that died, as interrupted")

    def _evaluate_winner(self) -> None:
        best = self._study.best()
        if best:
            model_of = winner_configs(best, self._defaults)[0]
            evaluate_winner(best, self._missing_winners(), self._recorder, self._dataset, model_of)

    def _missing_winners(self) -> list[RunConfig]:
        """The configs of the winner's runs that have no result yet."""
        best = self._study.best()
        configs = winner_configs(best, self._defaults) if best else []
        done = {run.seed for run in winner_runs(self._recorder.writer.read(), self._recorder.parent_id, configs)}
        return [config for config in configs if config.seed not in done]

    def _summary(self, parent_id: str) -> Summary | None:
        best = self._study.best()
        if best is None:
            return None
        configs = winner_configs(best, self._defaults)
        return summarise(self._study, best, winner_runs(self._recorder.writer.read(), parent_id, configs))

    def _publish(self, summary: Summary, artifacts: dict[str, str]) -> None:
        from harness.studies.page import study_page  # Plotly takes a second to import

        writer, parent_id = self._recorder.writer, self._recorder.parent_id
        writer.log_texts(parent_id, artifacts | {PAGE: study_page(self._study, summary)})
        writer.set_description(parent_id, markdown(summary))
        metrics = {"val_accuracy": summary.best.value}
        if summary.winner and not summary.diverged:
            metrics["test_accuracy"] = statistics.mean(summary.test_accuracies)
        writer.log_metrics(parent_id, metrics)
        writer.set_tags(parent_id, {TRIALS: str(len(summary.trials))})

    def _stopped(self, total: int, caught: list[int]) -> Stopped:
        done = len(self._study.numbers_with_outcome)
        status = 128 + caught[0] if caught else 0
        return Stopped(f"stopped with {done} of {total} trials done; resume with: {this_command()}", status)
