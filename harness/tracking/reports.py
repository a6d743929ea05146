"""Writes the runs that stand alone: a report with its files, the exact statements that were checked."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, RunTag

from harness.storage.process import this_process
from harness.tracking.experiments import make_experiment, writer
from harness.tracking.provenance import source_tags
from harness.tracking.reader import KIND, OWNER, Kind
from harness.tracking.retry import Patient


def log_report(
    uri: str, name: str, folder: Path, files: Sequence[Path], tags: Mapping[str, str], source: str = "analysis.report"
) -> str:
    """Log a report's files, at their places below `folder`, as a run of the experiment "reports"; the run's id."""
    client = writer(uri)
    run = _single_run(client, "reports", name, "report", source, tags)
    for file in files:
        client.log_artifact(run, str(file), str(file.parent.relative_to(folder)) if file.parent != folder else None)
    client.set_terminated(run)
    return run


def log_exact(uri: str, checks: Mapping[str, tuple[str, float, float]]) -> str:
    """Log exact checks (name to statement, value, bound) as a run of the experiment "claims/exact"; the run's id."""
    client = writer(uri)
    run = _single_run(client, "claims/exact", "exact statements", "exact", "harness.replicate", {})
    now = int(time.time() * 1000)
    for name, (statement, value, bound) in checks.items():
        client.log_batch(
            run, [Metric(name, value, now, 0), Metric(f"{name}.bound", bound, now, 0)], [], [RunTag(name, statement)]
        )
    client.set_terminated(run)
    return run


def _single_run(client: Patient, experiment: str, name: str, kind: Kind, source: str, tags: Mapping[str, str]) -> str:
    make_experiment(client, experiment)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    run = client.create_run(
        found.experiment_id, run_name=name, tags=source_tags(source) | {OWNER: this_process(), KIND: kind} | dict(tags)
    )
    return str(run.info.run_id)
