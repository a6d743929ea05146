"""One sitting at a study, from taking it over to closing its parent run: trials, winner, page, summary."""

import statistics

from harness.cli.command import this_command
from harness.cli.console import Screen
from harness.cli.signals import stop_on_signals
from harness.core.errors import Stopped, UserError
from harness.data.dataset import Dataset
from harness.engines.base import Engine
from harness.storage.locks import Hold
from harness.storage.process import told
from harness.studies.coordinator import Coordinator
from harness.studies.study import Study
from harness.studies.summary import Summary, markdown, summarise
from harness.studies.trial import Shared
from harness.studies.winner import crown, winner_configs, winner_runs
from harness.tracking.reader import State
from harness.tracking.recorder import Recorder
from harness.tracking.writer import Tracking

PAGE = "study.html"


class Sitting:
    """The parts of one search, put together; `run` carries it as far as it goes. `hold`: of the study."""

    def __init__(
        self,
        study: Study,
        engine: Engine,
        tracking: Tracking,
        screen: Screen,
        dataset: Dataset,
        shared: Shared,
        hold: Hold,
    ) -> None:
        self._hold = hold
        self._study = study
        self._engine = engine
        self._tracking = tracking
        self._screen = screen
        self._dataset = dataset
        self._shared = shared

    def finished(self, total: int) -> Summary | None:
        """The summary of a study that has its `total` trials and was brought to its end; else None."""
        parent = self._tracking.parent(self._study.name, "study")
        if parent is None or parent.status != "FINISHED" or len(self._study.finished()) < total:
            return None
        return self._summary(parent.id)

    def run(self, total: int, round_size: int, timeout: float | None, artifacts: dict[str, str]) -> Summary:
        """Run what is missing of `total` trials, then the winner; log `artifacts` (name → text) and the study's page.

        Raises `UserError` if another live process runs this study, `Stopped` if the person or `timeout` ended it early
        or no trial is complete.
        """
        name = self._study.name
        owner = None if self._hold.is_everywhere else self._tracking.live_owner(name, "study")
        if owner:
            raise UserError(
                f"study {name!r} is being run by another process ({told(owner)}): wait for it, or use --study NAME"
            )
        parent_id = self._tracking.open_parent(name, "study", {"seed": self._shared.seed, "round": round_size})
        recorder = Recorder(self._engine, self._tracking, self._screen, parent_id)
        coordinator = Coordinator(
            self._study,
            self._engine,
            self._tracking,
            recorder,
            self._screen,
            parent_id,
            self._shared,
            self._hold.check,
        )
        state: State = "failed"
        try:
            with stop_on_signals(coordinator.stop, self._screen) as caught:
                self._take_over(coordinator)
                coordinator.search(total, round_size, timeout)
                if not coordinator.stopped:
                    self._crown(recorder, parent_id)
            if coordinator.stopped:
                state = "interrupted"
                raise self._stopped(total, caught)
            summary = self._summary(parent_id)
            if summary is None:
                raise Stopped("no trial is complete, so there is no winner: see harness.note of the runs in MLflow", 1)
            self._publish(parent_id, summary, artifacts)
            state = "complete"
            return summary
        except KeyboardInterrupt:
            state = "interrupted"
            raise
        except Stopped:
            if not coordinator.stopped or state == "interrupted":
                raise
            state = "interrupted"  # it was to stop, and the store is away
            raise self._stopped(total, caught) from None
        finally:
            self._tracking.end(parent_id, state)

    def _take_over(self, coordinator: Coordinator) -> None:
        left = coordinator.reconcile()
        if left:
            self._screen.say(f"runs that a dead process left open, now closed as interrupted: {left}")

    def _crown(self, recorder: Recorder, parent_id: str) -> None:
        best = self._study.best()
        if best:
            configs = winner_configs(best, self._shared)
            tested = {run.seed for run in winner_runs(self._tracking, parent_id, configs)}
            missing = [config for config in configs if config.seed not in tested]
            crown(best, missing, recorder, self._tracking, self._screen, self._dataset, model_of=configs[0])

    def _summary(self, parent_id: str) -> Summary | None:
        best = self._study.best()
        if best is None:
            return None
        configs = winner_configs(best, self._shared)
        return summarise(self._study, best, winner_runs(self._tracking, parent_id, configs))

    def _publish(self, parent_id: str, summary: Summary, artifacts: dict[str, str]) -> None:
        from harness.studies.page import study_page

        self._tracking.log_texts(parent_id, artifacts | {PAGE: study_page(self._study, summary)})
        self._tracking.describe(parent_id, markdown(summary))
        metrics = {"val_accuracy": summary.best.value}
        if summary.winner:
            metrics["test_accuracy"] = statistics.mean(run.test_accuracy for run in summary.winner)
        self._tracking.log_metrics(parent_id, metrics)

    def _stopped(self, total: int, caught: list[int]) -> Stopped:
        done = len(self._study.settled)
        status = 128 + caught[0] if caught else 0
        return Stopped(f"stopped with {done} of {total} trials done; go on with: {this_command()}", status)
