"""Which trial wins, and which runs that takes, without training."""

from dataclasses import replace

import pytest

from harness.core.defaults import LESSON
from harness.studies.finals import Finals
from harness.studies.request import FinalsPlan
from harness.studies.trial import Outcome, StudyDefaults, Trial
from harness.tracking.reader import TrackedRun

PLAN = FinalsPlan(confirm=3, confirm_seeds=2, winner_seeds=2)


class FinishedStudy:
    """As `Study`, with complete trials of these accuracies; trial 0 is the lesson's setting."""

    def __init__(self, *accuracies):
        self.trials = []
        for number, accuracy in enumerate(accuracies):
            params = LESSON if number == 0 else LESSON | {"lr": 0.01 * number}
            self.trials.append(Trial(number, params, Outcome("complete", "", (accuracy,), 1.0, f"run {number}")))

    def finished(self):
        return self.trials

    def best(self):
        return max(self.trials, key=lambda trial: trial.value, default=None)


class RecordedRuns:
    """As `FreshRuns`; a run's accuracy is `accuracy_of(run)`, None if it diverged."""

    def __init__(self, accuracy_of):
        self.accuracy_of = accuracy_of
        self.made = []

    def train(self, wanted, what, model_of=None):
        self.made += [run for run in wanted if run not in self.made]
        return 0

    def recorded(self, wanted, parent_id):
        return {run: self._run(run) for run in wanted if run in self.made}

    def _run(self, run):
        accuracy = self.accuracy_of(run)
        name = "val_accuracy" if run.kind == "confirmation" else "test_accuracy"
        metrics = {} if accuracy is None else {name: accuracy}
        return TrackedRun(run.name, run.name, "FAILED" if accuracy is None else "FINISHED", {}, metrics, {}, 0)


@pytest.fixture
def finals_of(digits):
    def make(study, accuracy_of=lambda run: 0.5, plan=PLAN, dataset=digits):
        runs = RecordedRuns(accuracy_of)
        return Finals(study, runs, dataset, StudyDefaults(420, "digits", "float32"), plan), runs

    return make


def finish(finals):
    assert finals.confirm() == 0 and finals.test("parent") == 0 and finals.missing("parent") == 0
    return finals.results("parent")


@pytest.mark.parametrize(
    ("changes", "is_lesson"),
    [({}, True), ({"hidden": 128, "standardize": False}, True), ({"hidden": 64}, False), ({"lr": 0.1}, False)],
)
def test_the_lessons_setting_is_known_also_in_a_search_of_other_fields(changes, is_lesson):
    assert Trial(0, LESSON | changes, None).is_lesson is is_lesson


def test_the_best_mean_wins_though_another_trial_was_better_in_the_search(finals_of):
    fresh = {3: 0.7, 2: 0.8, 1: 0.6}
    finals, runs = finals_of(FinishedStudy(0.5, 0.7, 0.8, 0.9), lambda run: fresh.get(run.trial, 0.1))
    results = finish(finals)
    assert results.winner.number == 2
    assert [(one.trial.number, one.accuracies) for one in results.candidates] == [
        (3, (0.7, 0.7)), (2, (0.8, 0.8)), (1, (0.6, 0.6)),
    ]  # fmt: skip
    assert [run.name for run in runs.made] == [
        *(f"confirm {number} seed {seed}" for number in (3, 2, 1) for seed in (521, 522)),
        "winner 2 seed 421", "winner 2 seed 422", "lesson seed 421", "lesson seed 422",
    ]  # fmt: skip
    assert {run.config.split for run in runs.made if run.kind == "confirmation"} == {"search"}
    assert {run.config.split for run in runs.made if run.kind != "confirmation"} == {"lesson"}


def test_a_diverged_run_counts_as_the_worst_and_a_tie_goes_to_the_better_one_in_the_search(finals_of):
    def accuracy_of(run):
        return None if (run.trial, run.config.seed) == (2, 521) else 0.9 if run.trial == 2 else 0.6

    results = finish(finals_of(FinishedStudy(0.5, 0.7, 0.8), accuracy_of)[0])
    assert results.candidates[0].mean == 0.45
    assert results.winner.number == 1, "0.6, as trial 0, which was worse in the search"


@pytest.mark.parametrize(("accuracies", "confirm"), [((0.5, 0.7, 0.8), 0), ((0.5, 0.7, 0.8), 1), ((0.5,), 3)])
def test_nothing_is_confirmed_where_nothing_can_be_chosen(finals_of, accuracies, confirm):
    finals, runs = finals_of(FinishedStudy(*accuracies), plan=PLAN._replace(confirm=confirm))
    results = finish(finals)
    assert results.winner.number == len(accuracies) - 1 and results.candidates == []
    assert "confirmation" not in {run.kind for run in runs.made}


def test_copies_of_a_trial_are_no_candidates(finals_of):
    study = FinishedStudy(0.5, 0.7, 0.8)
    copied = study.trials[2].outcome._replace(same_as=2)
    study.trials.append(study.trials[2]._replace(number=3, outcome=copied))
    assert [one.trial.number for one in finish(finals_of(study)[0]).candidates] == [2, 1, 0]


def test_the_lessons_setting_is_trained_once_if_it_wins(finals_of):
    finals, runs = finals_of(FinishedStudy(0.9, 0.7))
    results = finish(finals)
    assert results.is_lesson and results.baseline == results.tested
    assert "baseline" not in {run.kind for run in runs.made}


def test_the_lessons_setting_is_left_out_where_its_batches_are_larger_than_the_data(finals_of, digits):
    few = replace(digits, train_inputs=digits.train_inputs[:100], train_labels=digits.train_labels[:100])
    finals, runs = finals_of(FinishedStudy(0.5, 0.7), dataset=few)
    results = finish(finals)
    assert results.no_baseline == "batch_size is 128: it should be at most the 100 training images of digits"
    assert "baseline" not in {run.kind for run in runs.made} and results.baseline == []


def test_what_is_asked_for_later_is_missing(finals_of):
    finals, runs = finals_of(FinishedStudy(0.5, 0.7, 0.8))
    assert finals.missing("parent") == 6
    finals.confirm()
    assert finals.missing("parent") == 4
    finish(finals)
    more, more_runs = finals_of(FinishedStudy(0.5, 0.7, 0.8), plan=PLAN._replace(winner_seeds=3))
    more_runs.made = runs.made
    assert more.missing("parent") == 2


def test_without_a_complete_trial_there_is_no_result(finals_of):
    finals, runs = finals_of(FinishedStudy())
    assert finals.confirm() == 0 and finals.test("parent") == 0
    assert finals.results("parent") is None and finals.missing("parent") == 0 and not runs.made
