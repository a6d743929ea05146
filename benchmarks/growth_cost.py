"""What a study costs as it grows: asking, telling and recording trial 10, 100, 1,000 and 10,000 of one study.

Trains nothing: the study's storage is filled with trials that have random values, then one more round is asked, told
and recorded, piece by piece. `--quick`: up to 1,000.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import optuna
from bench import write

from harness.config import make_config
from harness.data import record_of
from harness.data_choice import DataChoice
from harness.metrics import EpochMetrics
from harness.sources import load
from harness.space import DEFAULT_SPACE, Space, read_space
from harness.study import Study
from harness.tracking import Tracking
from harness.trial import Outcome

NAME, ROUND, EPOCHS = "growing", 8, 5


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


def seconds_of_a_trial(study: Study, tracking: Tracking, parent: str, rng: np.random.Generator) -> dict[str, float]:
    """Seconds a trial, in one round: asked, its epochs judged, its outcome told; and what MLflow takes."""
    taken = dict.fromkeys(("ask", "judge epochs", "tell", "log"), 0.0)

    def clocked(what: str, start: float) -> None:
        taken[what] += (time.perf_counter() - start) / ROUND

    start = time.perf_counter()
    trials = study.open_round(ROUND, len(study.finished()) + ROUND)
    for trial in trials:
        study.same_config(trial)
    clocked("ask", start)
    for trial in trials:
        accuracies = tuple(rng.random() for _ in range(EPOCHS))
        start = time.perf_counter()
        for epoch, accuracy in enumerate(accuracies, start=1):
            study.proceed(trial, epoch, accuracy, EPOCHS)
        clocked("judge epochs", start)
        start = time.perf_counter()
        config = make_config(**trial.params, seed=1, dataset="digits", split="search")
        run_id = tracking.start(parent, f"trial {trial.number}", "trial", config, {})
        for epoch, accuracy in enumerate(accuracies, start=1):
            tracking.log_epoch(run_id, EpochMetrics(epoch, 0.5, accuracy, 0.5, accuracy, 1.0, 5e4, 391))
        tracking.finish(run_id, "complete")
        tracking.id_of(run_id)  # waits until all of it is there
        clocked("log", start)
        start = time.perf_counter()
        study.settle(trial, Outcome("complete", "", accuracies, 1.0, run_id))
        assert trial.number in study.settled
        study.best()
        clocked("tell", start)
    start = time.perf_counter()
    study.close_round(trials)
    clocked("tell", start)
    return taken


def main() -> None:
    """Print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="up to 1,000 trials")
    parser.add_argument("--out", type=Path, default=Path("reports/growth_cost.json"))
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    space = read_space(DEFAULT_SPACE)
    results = {}
    with tempfile.TemporaryDirectory() as place:
        storage = f"sqlite:///{place}/optuna.db"
        Study(storage, NAME, space, 1, {})
        tracking = Tracking(
            f"sqlite:///{place}/mlflow.db", "search/digits", record_of(load(DataChoice("digits"))), "cpu"
        )
        parent = tracking.open_parent(NAME, "study", {})
        print(f"{'trials':>7}  {'ask':>8}  {'judge epochs':>12}  {'tell':>8}  {'log':>8}   ms a trial")
        for trials in (10, 100, 1_000) if given.quick else (10, 100, 1_000, 10_000):
            fill(storage, space, trials, rng)
            study = Study(storage, NAME, space, 1, {})
            seconds_of_a_trial(study, tracking, parent, rng)
            taken = seconds_of_a_trial(study, tracking, parent, rng)
            results[str(trials)] = taken
            ask, judge, tell, log = (value * 1e3 for value in taken.values())
            print(f"{trials:>7}  {ask:>8.1f}  {judge:>12.1f}  {tell:>8.1f}  {log:>8.1f}", flush=True)
    (first, least), *_, (last, most) = results.items()
    alone = times(least, most, ("ask", "tell", "log"))
    print(f"trial {last} takes {alone:.2f} times what trial {first} takes to ask, tell and log", end="")
    print(f"; {times(least, most, tuple(most)):.2f} times with its epochs judged")
    write(given.out, {"seconds_a_trial": results, "times": alone})


def times(least: Mapping[str, float], most: Mapping[str, float], parts: tuple[str, ...]) -> float:
    """What these parts cost in `most`, as a multiple of `least`."""
    return sum(most[part] for part in parts) / sum(least[part] for part in parts)


if __name__ == "__main__":
    main()
