"""After the trials: the best are confirmed with fresh seeds, one of them wins, and it is tested beside the lesson's own
setting.

The best of many validation accuracies under one seed is partly luck, so it is not the winner by itself.
"""

from typing import NamedTuple

from harness.core.defaults import LESSON
from harness.data.dataset import Dataset, batch_size_error
from harness.studies.fresh_runs import FreshRun, FreshRuns
from harness.studies.request import MOST_FRESH_SEEDS, FinalsPlan
from harness.studies.study import Study
from harness.studies.trial import StudyDefaults, Trial
from harness.tracking.reader import TrackedRun
from harness.tracking.schema import MODEL


class Candidate(NamedTuple):
    """A trial that is confirmed: its validation accuracy with each fresh seed, None where it diverged."""

    trial: Trial
    accuracies: tuple[float | None, ...]

    @property
    def mean(self) -> float:
        """The mean accuracy; a run that diverged counts as 0, the worst there is."""
        return sum(accuracy or 0.0 for accuracy in self.accuracies) / len(self.accuracies)


class FinalRun(NamedTuple):
    """A run that was tested. `test_accuracy` is a fraction, None if it diverged; `model` is its MLflow URI, or ""."""

    run_id: str
    seed: int
    test_accuracy: float | None
    model: str


class FinalResults(NamedTuple):
    """What the runs after the trials gave. `candidates`: [] if none was confirmed.

    `baseline`: the runs of the lesson's setting; those of the winner if it is that setting; [] if `no_baseline` says
    why there are none.
    """

    winner: Trial
    candidates: list[Candidate]
    tested: list[FinalRun]
    baseline: list[FinalRun]
    no_baseline: str

    @property
    def is_lesson(self) -> bool:
        """Whether the winner is the lesson's own setting."""
        return self.winner.is_lesson


class Finals:
    """Confirms, chooses and tests, by runs that `runs` trains."""

    def __init__(
        self, study: Study, runs: FreshRuns, dataset: Dataset, defaults: StudyDefaults, plan: FinalsPlan
    ) -> None:
        self._study = study
        self._runs = runs
        self._defaults = defaults
        self._plan = plan
        self._no_baseline = batch_size_error(LESSON["batch_size"], dataset, "lesson")

    def confirm(self) -> int:
        """Train what is missing to confirm the best trials; the number of runs that failed."""
        wanted = self._confirmations()
        return self._runs.train(wanted, "runs to confirm") if wanted else 0

    def test(self, parent_id: str) -> int:
        """Train and test what is missing of the winner and of the lesson's setting; the number of runs that failed."""
        winner = self._winner(parent_id)
        wanted = self._tests(winner) if winner else []
        return self._runs.train(wanted, "runs to test", model_of=wanted[0]) if wanted else 0

    def missing(self, parent_id: str) -> int:
        """The number of runs that have no result, also if they failed."""
        wanted = self._confirmations()
        missing = len(wanted) - len(self._runs.recorded(wanted, parent_id))
        if missing:
            return missing
        winner = self._winner(parent_id)
        tests = self._tests(winner) if winner else []
        return len(tests) - len(self._runs.recorded(tests, parent_id))

    def results(self, parent_id: str) -> FinalResults | None:
        """The results, or None if no trial is complete. Nothing may be missing."""
        winner = self._winner(parent_id)
        if winner is None:
            return None
        wanted = self._tests(winner)
        found = self._runs.recorded(wanted, parent_id)
        tested = [_tested(run, found[run]) for run in wanted if run.kind == "winner"]
        baseline = [_tested(run, found[run]) for run in wanted if run.kind == "baseline"]
        return FinalResults(
            winner, self._candidates(parent_id), tested, tested if winner.is_lesson else baseline, self._no_baseline
        )

    def _winner(self, parent_id: str) -> Trial | None:
        """The candidate with the best mean, of equal ones the better one in the search; without candidates the best."""
        candidates = self._candidates(parent_id)
        return max(candidates, key=lambda one: one.mean).trial if candidates else self._study.best()

    def _candidates(self, parent_id: str) -> list[Candidate]:
        wanted = self._confirmations()
        found = self._runs.recorded(wanted, parent_id)
        accuracies: dict[int, list[float | None]] = {}
        for run in wanted:
            diverged = found[run].status != "FINISHED"
            accuracies.setdefault(run.trial or 0, []).append(None if diverged else found[run].metrics["val_accuracy"])
        return [Candidate(trial, tuple(accuracies[trial.number])) for trial in self._best_trials()] if wanted else []

    def _best_trials(self) -> list[Trial]:
        complete = [trial for trial in self._study.finished() if trial.outcome and trial.outcome.state == "complete"]
        distinct = [trial for trial in complete if trial.outcome and trial.outcome.same_as is None]
        return sorted(distinct, key=lambda trial: -trial.value)[: self._plan.confirm]

    def _confirmations(self) -> list[FreshRun]:
        """None for a single trial, because there is nothing to choose."""
        best = self._best_trials()
        first = self._defaults.seed + MOST_FRESH_SEEDS + 1  # the seeds below it test
        seeds = range(first, first + self._plan.confirm_seeds) if len(best) > 1 else ()
        return [
            FreshRun("confirmation", self._defaults.config(trial.params, "search", seed), trial.number)
            for trial in best
            for seed in seeds
        ]

    def _tests(self, winner: Trial) -> list[FreshRun]:
        seeds = range(self._defaults.seed + 1, self._defaults.seed + 1 + self._plan.winner_seeds)
        configs = [self._defaults.config(winner.params, "lesson", seed) for seed in seeds]
        wanted = [FreshRun("winner", config, winner.number) for config in configs]
        if not winner.is_lesson and not self._no_baseline:
            wanted += [FreshRun("baseline", self._defaults.lesson_config("lesson", seed), None) for seed in seeds]
        return wanted


def _tested(wanted: FreshRun, run: TrackedRun) -> FinalRun:
    return FinalRun(run.id, wanted.config.seed, run.metrics.get("test_accuracy"), run.tags.get(MODEL, ""))
