"""Reads what this project wrote to MLflow, and holds the names it wrote under: kinds, states, tags.

Writing is in `tracking.py`. The names are the contract with `analysis/`.
"""

import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Literal, NamedTuple

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.pop("MLFLOW_RUN_ID", None)  # it would beat the run and parent that are named in each call

from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from pydantic import ValidationError

from harness.claims.claim import Claim, tag_name
from harness.core.config import RunConfig
from harness.core.errors import UserError
from harness.storage.checks import check_recorded
from harness.storage.urls import without_password
from harness.tracking.retry import Patient

Kind = Literal["study", "trial", "winner", "claim", "arm", "tuning", "exact", "report"]
State = Literal["complete", "pruned", "diverged", "failed", "interrupted"]

STATUS: dict[State, str] = {
    "complete": "FINISHED",
    "pruned": "KILLED",
    "diverged": "FAILED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}

KIND, STATE, NOTE, OWNER = "harness.kind", "harness.state", "harness.note", "harness.owner"
CONFIG_HASH, DATASET_SHA256, ATTEMPT = "harness.config_hash", "harness.dataset_sha256", "harness.attempt"
GIT_COMMIT, GIT_DIRTY = "harness.git_commit", "harness.git_dirty"
TRIAL, DUPLICATE_OF, DATASET_FALLBACK = "harness.trial", "harness.duplicate_of", "harness.dataset_fallback"
MODEL = "harness.model"
DATA, TARGET = "harness.data", "harness.target"  # the choice that loads the same data again
CLAIM_SHA256, QUICK, ARM, SEEDS = "harness.claim_sha256", "harness.quick", "harness.arm", "harness.seeds"
PROBES = "harness.probes"
STACK, PRODUCTS = "harness.stack", "harness.products"  # with how many runs it was trained as one; by which library
ENVIRONMENT = "harness.environment."  # and python, torch, …, processor
TRAJECTORY = "trajectory.npy"
SCORE = "tuning_score"  # a metric of tuning runs: the lower the better, absent where it is infinite


class TrackedRun(NamedTuple):
    """One MLflow run as it stands; `metrics` holds the last value of each, `status` is MLflow's word."""

    id: str
    name: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def config_of(run: TrackedRun) -> RunConfig:
    """The config that a run was made with. Raises `UserError` where its params are not those of its hash."""
    fields = {name: run.params[name] for name in RunConfig.model_fields if name in run.params}
    try:
        config = RunConfig.model_validate_strings(fields)
    except ValidationError:
        raise UserError(f"run {run.id} ({run.name}): its params are no config; its records were altered") from None
    if config.content_hash != run.tags[CONFIG_HASH]:
        raise UserError(
            f"run {run.id} ({run.name}): its params are not those that it was run with; its records were altered"
        )
    return config


def environment_of(tags: Mapping[str, str]) -> dict[str, str]:
    """The versions and the processor that a run's tags name."""
    return {tag.removeprefix(ENVIRONMENT): value for tag, value in tags.items() if tag.startswith(ENVIRONMENT)}


class Records:
    """What one MLflow experiment holds, to read. Raises `UserError` where there is no such experiment at `uri`.

    `made_by`: the command that makes it, for that message.
    """

    def __init__(self, uri: str, experiment: str, made_by: str = "python -m harness.search") -> None:
        calm()
        check_recorded(uri)
        self.uri = uri
        self.client: Any = Patient(uri)
        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            raise UserError(
                f"no {experiment!r} in {without_password(uri)}; run: {made_by}   (or set MLFLOW_TRACKING_URI)"
            )
        self.experiment_id = str(found.experiment_id)

    def parents(self, kind: Kind, name: str = "") -> list[TrackedRun]:
        """The parent runs of this kind, newest first; only those called `name` if it is given."""
        named = f" and attributes.run_name = '{name}'" if name else ""
        return list(self._search(f"tags.`{KIND}` = '{kind}'{named}", ["attributes.start_time DESC"]))

    def children(self, parent_id: str, kind: Kind | None = None, unfinished: bool = False) -> list[TrackedRun]:
        """All child runs, oldest first, however many there are; only those of `kind`, or not FINISHED, if asked for."""
        wanted = [f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent_id}'"]
        if kind:
            wanted.append(f"tags.`{KIND}` = '{kind}'")
        if unfinished:
            wanted.append("attributes.status != 'FINISHED'")
        return list(self._search(" and ".join(wanted), ["attributes.start_time ASC"]))

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """The values of a metric by step, the first step first, whatever the clock did meanwhile.

        Raises `UserError` where a step holds two: one of them was added later.
        """
        values: dict[int, float] = {}
        for point in sorted(self.client.get_metric_history(run_id, metric), key=attrgetter("step")):
            before = values.setdefault(point.step, point.value)
            if before != point.value and not (math.isnan(before) and math.isnan(point.value)):
                raise UserError(
                    f"run {run_id} has two values of {metric} at step {point.step}: its records were altered"
                )
        return values

    def array(self, run_id: str, name: str) -> Any:
        """The numpy array that is stored as this artifact. Raises `UserError` where there is none."""
        import numpy as np

        with tempfile.TemporaryDirectory() as folder:
            try:
                path = self.client.download_artifacts(run_id, name, folder)
            except (MlflowException, OSError):
                raise UserError(f"run {run_id} has no artifact {name}: its records were altered") from None
            return np.load(path, allow_pickle=False)

    def _search(self, filter_string: str, order_by: list[str]) -> Iterator[TrackedRun]:
        return map(_tracked, _runs(self.client, [self.experiment_id], filter_string, order_by))


def parents_anywhere(uri: str, kind: Kind) -> list[tuple[str, TrackedRun]]:
    """The parent runs of this kind in all experiments, newest first, each with the name of its experiment."""
    calm()
    check_recorded(uri)
    client: Any = Patient(uri)
    experiments = _all(lambda token: client.search_experiments(page_token=token))
    names = {found.experiment_id: found.name for found in experiments}
    runs = _runs(client, list(names), f"tags.`{KIND}` = '{kind}'", ["attributes.start_time DESC"])
    return [(names[run.info.experiment_id], _tracked(run)) for run in runs]


def _runs(client: Any, experiment_ids: list[str], filter_string: str, order_by: list[str]) -> Iterator[Run]:
    how = {"run_view_type": ViewType.ACTIVE_ONLY, "order_by": order_by}
    return _all(lambda token: client.search_runs(experiment_ids, filter_string, **how, page_token=token))


def _all(page_at: Callable[[str | None], Any]) -> Iterator[Any]:
    """What MLflow hands out page by page."""
    token = None
    while True:
        page = page_at(token)
        yield from page
        token = page.token
        if not token:
            return


def find_run(uri: str, run_id: str) -> tuple[Records, TrackedRun]:
    """A run by its id, and the records of its experiment. Raises `UserError` where there is none."""
    calm()
    check_recorded(uri)
    client = Patient(uri)
    try:
        run = client.get_run(run_id)
    except MlflowException:
        raise UserError(f"there is no run {run_id!r} in {without_password(uri)}; the MLflow UI shows the ids") from None
    return Records(uri, client.get_experiment(run.info.experiment_id).name), _tracked(run)


def _tracked(run: Run) -> TrackedRun:
    info, data = run.info, run.data
    return TrackedRun(info.run_id, info.run_name, info.status, data.params, data.metrics, data.tags)


def parent_name(claim: Claim) -> str:
    """The name of the run above a claim's runs: another text, other data than the file's, a quick look has another."""
    moved = f"-{claim.dataset}" if claim.moved else ""
    return f"{claim.name}-{claim.sha256[:8]}{moved}" + ("-quick" if claim.quick else "")


def tuned_tag(arm: str) -> str:
    """The tag of a claim's parent run that holds the lr chosen for an arm."""
    return f"harness.tuned_lr.{tag_name(arm)}"


def calm() -> None:
    """Keep MLflow, its migrations and its tracebacks from filling the screen."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
