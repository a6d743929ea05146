"""Runs the searches of a claim: each is a study of its own, recorded in MLflow beside the claim's run.

What is missing of a search is read from MLflow alone, as of a claim; Optuna's storage lasts as long as this process.
"""

import math
import statistics
import tempfile
from typing import NamedTuple

from harness.claims.search_arm import SearchConfig
from harness.cli.console import Console
from harness.core.errors import Stopped
from harness.core.metrics import Reading
from harness.data.dataset import Dataset
from harness.engines.base import Engine
from harness.storage.locks import Lock
from harness.studies.acceptance import PRUNER, SAMPLER
from harness.studies.progress import best_so_far
from harness.studies.session import SearchSession
from harness.studies.study import Study
from harness.studies.summary import Summary
from harness.studies.trial import StudyDefaults
from harness.tracking.recorder import Recorder
from harness.tracking.schema import BEST_ACCURACY, TRAINING_COST, State
from harness.tracking.writer import ExperimentWriter

_SPACE_ARTIFACT = "search.toml"


class SearchResult(NamedTuple):
    """How a search ended. It has "diverged" if every trial diverged or was pruned, which is a result, and "failed" if a
    run failed and it has no tested winner.

    `readings`: `BEST_ACCURACY` and `TRAINING_COST` by trial, and the winner's mean test accuracy at the last trial, NaN
    if a fresh run of the winner diverged.
    """

    state: State
    note: str
    readings: list[Reading]


class Searches:
    """Runs one search after another on `engine`, and records them by `writer`."""

    def __init__(self, engine: Engine, writer: ExperimentWriter, console: Console, dataset: Dataset) -> None:
        self._engine = engine
        self._writer = writer
        self._console = console
        self._dataset = dataset

    def run(self, name: str, config: SearchConfig, lock: Lock) -> SearchResult:
        """Run what is missing of the study called `name`.

        Raises `Stopped` if the user ended it early, or if the store is unavailable.
        """
        settings = config.settings
        recorder = Recorder(self._engine, self._writer, self._console)
        defaults = StudyDefaults(config.seed, self._dataset.name, "float32", config.network)
        chosen = {SAMPLER: settings.sampler, PRUNER: settings.pruner}
        artifacts = {_SPACE_ARTIFACT: settings.file.text}
        if config.network:
            artifacts[config.network.file] = config.network.text
        with tempfile.TemporaryDirectory() as folder, self._console.without_runs():
            study = Study(f"sqlite:///{folder}/optuna.db", name, settings.space, config.seed, chosen)
            session = SearchSession(study, recorder, self._dataset, defaults, settings.plan, lock)
            try:
                summary = session.search(artifacts)
            except Stopped as stop:
                if recorder.stopped or study.done < settings.trials:
                    raise
                return SearchResult(_state(study), str(stop), _progress(study))
        return SearchResult("complete", _note(summary), [*_progress(study), _tested(summary)])


def _state(study: Study) -> State:
    """Of a study that has its trials and no tested winner."""
    states = {trial.outcome.state for trial in study.finished() if trial.outcome}
    return "failed" if states & {"complete", "failed"} else "diverged"


def _progress(study: Study) -> list[Reading]:
    outcomes = [trial.outcome for trial in study.finished() if trial.outcome]
    rows = [(one.accuracies[-1] if one.state == "complete" else None, float(one.cost)) for one in outcomes]
    readings = []
    for trials, cost, best in best_so_far(rows):
        readings += [Reading(BEST_ACCURACY, trials, best), Reading(TRAINING_COST, trials, cost)]
    return readings


def _tested(summary: Summary) -> Reading:
    accuracy = math.nan if summary.diverged else statistics.mean(summary.test_accuracies)
    return Reading("test_accuracy", len(summary.trials), accuracy)


def _note(summary: Summary) -> str:
    diverged = f", {summary.diverged} of the winner's fresh runs diverged" if summary.diverged else ""
    return f"the winner is trial {summary.best.number}{diverged}"
