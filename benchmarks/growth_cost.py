"""What a study costs as it grows: trial 10, 100, 1,000 and 10,000 of one study, and the epochs of its runs.

The study's storage is filled with trials that have random values. Then one more round is asked, told and recorded,
piece by piece, without training; and some rounds are trained by the search's own coordinator, each run with the
lesson's config on Fashion-MNIST, whatever was proposed: seconds of a round, divided by the epochs in it. `--quick`: up
to 1,000, on scikit-learn's digits.
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import optuna
from bench import fashion_mnist, seconds_of, with_data_dir, write
from rich.console import Console as RichConsole

from harness.cli.console import Console
from harness.core.config import RunConfig, make_config
from harness.core.defaults import LESSON
from harness.core.metrics import EpochMetrics
from harness.core.paths import DEFAULT_SPACE
from harness.data.choice import DataChoice
from harness.data.dataset import record_of
from harness.data.load import load
from harness.engines.base import Event, Job, Proceed
from harness.engines.local import LocalEngine
from harness.engines.machine import physical_cores
from harness.engines.pool import Pool
from harness.studies.coordinator import Coordinator
from harness.studies.guessing import Guess
from harness.studies.space import Space
from harness.studies.space_file import read_space
from harness.studies.study import Study
from harness.studies.trial import Outcome, StudyDefaults
from harness.tracking.recorder import Recorder
from harness.tracking.writer import ExperimentWriter
from harness.training.stacked.matmul_backend import choose_matmul_backend

NAME, ROUND, EPOCHS, SEED = "growing", 8, 5, 1
TRAINED_ROUNDS = 3


class Alike:
    """The engine of a search, on which every run has the same config, so that rounds cost the same."""

    def __init__(self, engine: LocalEngine, config: RunConfig) -> None:
        self._engine = engine
        self._config = config

    def start_workers(self) -> None:
        """They are there."""

    def execute(self, jobs: Sequence[Job], proceed: Proceed | None) -> Iterator[Event]:
        return self._engine.execute([replace(job, config=self._config) for job in jobs], proceed)

    def drain(self) -> None:
        self._engine.drain()

    def close(self) -> None:
        self._engine.close()


def fill(storage: str, space: Space, trials: int, rng: np.random.Generator) -> None:
    """Bring the study that is kept there to so many told trials, by way of Optuna's own `add_trials`."""
    study = optuna.load_study(study_name=NAME, storage=storage)
    distributions = space.distributions()
    sampler = optuna.samplers.RandomSampler(seed=int(rng.integers(2**31)))
    made = []
    for number in range(trials - len(study.get_trials(deepcopy=False))):
        params = {
            name: sampler.sample_independent(
                study, optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING), name, distribution
            )
            for name, distribution in distributions.items()
        }
        accuracies = tuple(rng.random() for _ in range(EPOCHS))
        outcome = Outcome("complete", "", accuracies, 1.0, f"{number:032x}")
        made.append(
            optuna.trial.create_trial(
                params=params, distributions=distributions, value=accuracies[-1],
                user_attrs={"outcome": json.dumps(outcome._asdict())},
                intermediate_values=dict(enumerate(accuracies, start=1)),
            )
        )  # fmt: skip
    study.add_trials(made)


def seconds_of_a_trial(
    study: Study, tracking: ExperimentWriter, parent: str, rng: np.random.Generator
) -> dict[str, float]:
    """Seconds a trial, in one round: asked, its epochs judged, its outcome told; and what MLflow takes."""
    taken = dict.fromkeys(("ask", "judge epochs", "tell", "log"), 0.0)

    def clocked(what: str, start: float) -> None:
        taken[what] += (time.perf_counter() - start) / ROUND

    start = time.perf_counter()
    trials = study.open_round(ROUND, len(study.finished()) + ROUND)
    for trial in trials:
        study.find_duplicate(trial)
    clocked("ask", start)
    for trial in trials:
        accuracies = tuple(rng.random() for _ in range(EPOCHS))
        start = time.perf_counter()
        for epoch, accuracy in enumerate(accuracies, start=1):
            study.should_continue(trial, epoch, accuracy, EPOCHS)
        clocked("judge epochs", start)
        start = time.perf_counter()
        config = make_config(**trial.params, seed=1, dataset="digits", split="search")
        run_id = tracking.start_run(parent, f"trial {trial.number}", "trial", config, {})
        for epoch, accuracy in enumerate(accuracies, start=1):
            tracking.log_epoch(run_id, EpochMetrics(epoch, 0.5, accuracy, 0.5, accuracy, 1.0, 5e4, 391))
        tracking.end_run(run_id, "complete")
        tracking.id_of(run_id)  # waits until all of it is there
        clocked("log", start)
        start = time.perf_counter()
        study.record_outcome(trial, Outcome("complete", "", accuracies, 1.0, run_id))
        assert trial.number in study.numbers_with_outcome
        study.best()
        clocked("tell", start)
    start = time.perf_counter()
    study.close_round(trials)
    clocked("tell", start)
    return taken


def seconds_of_an_epoch(study: Study, tracking: ExperimentWriter, parent: str, engine: Alike) -> float:
    """Seconds of a trained round, from its proposals to its last record, for each epoch of its runs."""
    recorder = Recorder(engine, tracking, Console(RichConsole(file=io.StringIO())))
    recorder.parent_id = parent
    defaults = StudyDefaults(SEED, tracking.dataset.name, "float32")
    coordinator = Coordinator(study, recorder, defaults, Guess(0.1, 2.3, 246), lambda: None)
    before = len(study.finished())

    def a_round() -> None:
        coordinator.run_trials(before + ROUND, ROUND)
        tracking.id_of(parent)  # waits until all of it is there

    seconds = seconds_of(a_round)
    outcomes = [trial.outcome for trial in study.finished()[before:]]
    return seconds / sum(len(outcome.accuracies) for outcome in outcomes if outcome)


def main() -> None:
    """Print a table, write JSON."""
    parser = with_data_dir(argparse.ArgumentParser(description=__doc__.partition("\n")[0]))
    parser.add_argument("--quick", action="store_true", help="up to 1,000 trials, on scikit-learn's digits")
    parser.add_argument("--out", type=Path, default=Path("reports/growth_cost.json"))
    given = parser.parse_args()
    dataset = load(DataChoice("digits")) if given.quick else fashion_mnist(parser, given.data_dir)
    config = make_config(**LESSON | {"epochs": EPOCHS}, seed=SEED, dataset=dataset.name, split="search")
    rng = np.random.default_rng(1)
    space = read_space(DEFAULT_SPACE)
    results: dict[str, dict[str, float]] = {}
    epochs: dict[str, float] = {}
    workers = LocalEngine(dataset, Pool(physical_cores()), "cpu", choose_matmul_backend())
    with tempfile.TemporaryDirectory() as place, closing(Alike(workers, config)) as engine:
        storage = f"sqlite:///{place}/optuna.db"
        Study(storage, NAME, space, SEED, {})
        tracking = ExperimentWriter(f"sqlite:///{place}/mlflow.db", f"search/{dataset.name}", record_of(dataset), "cpu")
        parent = tracking.open_parent(NAME, "study", {})
        list(engine.execute([Job(f"first of worker {number}", config) for number in range(physical_cores())], None))
        print(f"{'trials':>7}  {'ask':>8}  {'judge epochs':>12}  {'tell':>8}  {'log':>8}  {'an epoch':>8}   ms")
        for trials in (10, 100, 1_000) if given.quick else (10, 100, 1_000, 10_000):
            fill(storage, space, trials, rng)
            study = Study(storage, NAME, space, SEED, {})
            seconds_of_a_trial(study, tracking, parent, rng)
            taken = results[str(trials)] = seconds_of_a_trial(study, tracking, parent, rng)
            rounds = [seconds_of_an_epoch(study, tracking, parent, engine) for _ in range(TRAINED_ROUNDS)]
            epochs[str(trials)] = statistics.median(rounds)
            ask, judge, tell, log = (value * 1e3 for value in taken.values())
            print(f"{trials:>7}  {ask:>8.1f}  {judge:>12.1f}  {tell:>8.1f}  {log:>8.1f}", end="")
            print(f"  {epochs[str(trials)] * 1e3:>8.1f}", flush=True)
    (first, least), *_, (last, most) = results.items()
    alone = times(least, most, ("ask", "tell", "log"))
    print(f"trial {last} takes {alone:.2f} times what trial {first} takes to ask, tell and log", end="")
    print(f"; {times(least, most, tuple(most)):.2f} times with its epochs judged")
    grown = epochs[last] / epochs[first]
    print(f"an epoch of a run takes {grown:.2f} times what it takes at trial {first}, all of this included")
    write(given.out, {"seconds_a_trial": results, "seconds_an_epoch": epochs, "times": alone, "times_an_epoch": grown})


def times(least: Mapping[str, float], most: Mapping[str, float], parts: tuple[str, ...]) -> float:
    """What these parts cost in `most`, as a multiple of `least`."""
    return sum(most[part] for part in parts) / sum(least[part] for part in parts)


if __name__ == "__main__":
    main()
