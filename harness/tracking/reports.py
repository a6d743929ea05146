"""Writes runs that stand alone: a report with its files, and the exact statements that were checked."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.tracking import settings  # noqa: F401  # before MLflow is imported

# isort: split
from mlflow.entities import Metric, RunTag

from harness.storage.process import is_alive, this_process
from harness.tracking.experiments import create_experiment, open_store
from harness.tracking.provenance import source_tags
from harness.tracking.retry import RetryingClient
from harness.tracking.schema import KIND, OWNER, Kind


def log_report(
    uri: str, name: str, folder: Path, files: Sequence[Path], tags: Mapping[str, str], source: str = "analysis.report"
) -> str:
    """Log a report's files as a run of the experiment "reports", at their places below `folder`; the run's id."""
    client = open_store(uri)
    run = _create_run(client, "reports", name, "report", source, tags)
    with _ending(client, run):
        for file in files:
            place = str(file.parent.relative_to(folder)) if file.parent != folder else None
            client.call(lambda plain, file=file, place=place: plain.log_artifact(run, str(file), place))  # type: ignore[misc]
    return run


def log_exact(uri: str, checks: Mapping[str, tuple[str, float, float]]) -> str:
    """Log exact checks (name → statement, value, bound) as a run of the experiment "claims/exact"; the run's id."""
    client = open_store(uri)
    run = _create_run(client, "claims/exact", "exact statements", "exact", "harness.replicate", {})
    now = int(time.time() * 1000)
    metrics, tags = [], []
    for name, (statement, value, bound) in checks.items():
        metrics += [Metric(name, value, now, 0), Metric(f"{name}.bound", bound, now, 0)]
        tags.append(RunTag(name, statement))
    with _ending(client, run):
        client.call(lambda plain: plain.log_batch(run, metrics, [], tags))
    return run


def _create_run(
    client: RetryingClient, experiment: str, name: str, kind: Kind, source: str, tags: Mapping[str, str]
) -> str:
    all_tags = source_tags(source) | {OWNER: this_process(), KIND: kind} | dict(tags)
    experiment_id = create_experiment(client, experiment)
    _close_dead_runs(client, experiment_id)
    run = client.create_run(experiment_id, run_name=name, tags=all_tags)
    return str(run.info.run_id)


def _close_dead_runs(client: RetryingClient, experiment_id: str) -> None:
    """End the runs whose process was killed while it wrote them."""
    running = client.call(lambda plain: plain.search_runs([experiment_id], "attributes.status = 'RUNNING'"))
    for run in running:
        if not is_alive(run.data.tags.get(OWNER, "")):
            client.call(lambda plain, run=run: plain.set_terminated(run.info.run_id, "KILLED"))  # type: ignore[misc]


@contextmanager
def _ending(client: RetryingClient, run: str) -> Iterator[None]:
    """End a run with what it is written: FINISHED, or KILLED if that is interrupted."""
    status = "KILLED"
    try:
        yield
        status = "FINISHED"
    finally:
        client.call(lambda plain: plain.set_terminated(run, status))
