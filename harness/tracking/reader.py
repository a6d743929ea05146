"""Reads what this project wrote to MLflow. The names are in `schema.py`; writing is in `writer.py`."""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from harness.tracking import settings  # noqa: F401  # before MLflow is imported

# isort: split
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from pydantic import ValidationError

from harness.cli.command import command_line, python
from harness.core.config import RunConfig, parse_params
from harness.core.errors import UserError
from harness.storage.checks import check_exists
from harness.storage.urls import without_password
from harness.tracking.digest import is_as_recorded, is_history_as_recorded
from harness.tracking.experiments import check_place, find_experiment
from harness.tracking.retry import RetryingClient
from harness.tracking.schema import CONFIG_HASH, ENVIRONMENT, KIND, NAME, PARENT_RUN_ID, Kind

_SHOWN_IDS = 3


class TrackedRun(NamedTuple):
    """One MLflow run as it is now. `metrics` holds the last value of each metric, `status` is MLflow's run status.

    `name` is the one that this project gave it, whatever it is called in MLflow now. `start_time` is in milliseconds
    since 1970.
    """

    id: str
    name: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    start_time: int


def check_digest(run: TrackedRun) -> None:
    """Raise `UserError` if params, metrics or tags of a run are not those that were recorded."""
    if not is_as_recorded(run.params, run.metrics, run.tags):
        raise UserError(
            f"run {run.id} ({run.name}): its params, metrics or tags are not those that were recorded; put a copy of"
            " the database back, or delete the run in MLflow and run its command again"
        )


def config_of(run: TrackedRun) -> RunConfig:
    """The config of a run. Raises `UserError` if its records were altered: digest or config hash do not match."""
    check_digest(run)
    try:
        config = parse_params(run.params)
    except ValidationError:
        raise UserError(f"run {run.id} ({run.name}): its params are not a config; its records were altered") from None
    if config.content_hash != run.tags[CONFIG_HASH]:
        raise UserError(
            f"run {run.id} ({run.name}): its params are not those that it was run with; its records were altered"
        )
    return config


def environment_of(tags: Mapping[str, str]) -> dict[str, str]:
    """The library versions and the processor that a run's tags name."""
    return {tag.removeprefix(ENVIRONMENT): value for tag, value in tags.items() if tag.startswith(ENVIRONMENT)}


class ExperimentReader:
    """Reads one MLflow experiment. Raises `UserError` if there is no such experiment at `uri`.

    `made_by` is the command that creates it, for the error message; "" for a search.
    """

    def __init__(self, uri: str, experiment: str, made_by: str = "") -> None:
        check_exists(uri)
        self.uri = uri
        self.experiment = experiment
        self.client = RetryingClient(uri)
        found = find_experiment(self.client, experiment)
        if found is None:
            made_by = made_by or command_line("harness.search")
            raise UserError(
                f"no {experiment!r} in {without_password(uri)}; run: {made_by}   (or set MLFLOW_TRACKING_URI)"
            )
        self.experiment_id = found

    def parents(self, kind: Kind, name: str = "", deleted: bool = False) -> list[TrackedRun]:
        """The parent runs of this kind, newest first; only those called `name` if it is given.

        `deleted`: those that were deleted in MLflow instead.
        """
        found = self._search(f"tags.`{KIND}` = '{kind}'", ["attributes.start_time DESC"], deleted)
        return [run for run in found if name in ("", run.name)]

    def children(
        self, parent_id: str, kind: Kind | None = None, unfinished: bool = False, deleted: bool = False
    ) -> list[TrackedRun]:
        """All child runs, oldest first. `kind` and `unfinished` (not FINISHED) select some of them.

        `deleted`: those that were deleted in MLflow instead.
        """
        conditions = [f"tags.`{PARENT_RUN_ID}` = '{parent_id}'"]
        if kind:
            conditions.append(f"tags.`{KIND}` = '{kind}'")
        if unfinished:
            conditions.append("attributes.status != 'FINISHED'")
        return list(self._search(" and ".join(conditions), ["attributes.start_time ASC"], deleted))

    def run(self, run_id: str) -> TrackedRun:
        """One run, by MLflow's id."""
        return _tracked(self.client.call(lambda client: client.get_run(run_id)))

    def history(self, run: TrackedRun, metric: str) -> dict[int, float]:
        """The values of a metric by step, in the order of steps; {} if it was never logged.

        Raises `UserError` if a step holds two different values, because one of them was added later, or if the values
        are not those that were recorded.
        """
        values: dict[int, float] = {}
        points = self.client.call(lambda client: client.get_metric_history(run.id, metric))
        for point in sorted(points, key=attrgetter("step")):
            before = values.setdefault(point.step, point.value)
            if before != point.value and not (math.isnan(before) and math.isnan(point.value)):
                raise UserError(
                    f"run {run.id} has two values of {metric} at step {point.step}: its records were altered"
                )
        if not is_history_as_recorded(run.tags, metric, values):
            raise UserError(f"run {run.id} ({run.name}): its values of {metric} are not those that were recorded")
        return values

    def array(self, run_id: str, name: str) -> Any:
        """The numpy array stored as this artifact. Raises `UserError` if there is none, or it is in another folder."""
        import numpy as np

        with self._artifact(run_id, name) as path:
            return np.load(path, allow_pickle=False)

    def text(self, run_id: str, name: str) -> str:
        """The text stored as this artifact. Raises like `array`."""
        with self._artifact(run_id, name) as path:
            return path.read_text(encoding="utf-8")

    @contextmanager
    def _artifact(self, run_id: str, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                path = self.client.call(lambda client: client.download_artifacts(run_id, name, folder))
            except (MlflowException, OSError):
                check_place(self.client, self.experiment_id)
                raise UserError(f"run {run_id} has no artifact {name}: its records were altered") from None
            yield Path(path)

    def _search(self, filter_string: str, order_by: list[str], deleted: bool) -> Iterator[TrackedRun]:
        return map(_tracked, _search_runs(self.client, [self.experiment_id], filter_string, order_by, deleted))


def check_not_deleted(reader: ExperimentReader, kind: Kind, name: str) -> None:
    """Raise `UserError` if the parent run called `name` was deleted in MLflow."""
    for run in reader.parents(kind, name, deleted=True):
        raise deleted_error(kind, run)


def deleted_error(kind: Kind, parent: TrackedRun) -> UserError:
    """What to say of a parent run that was deleted in MLflow."""
    other = ", or begin another one with --study NAME" if kind == "study" else ""
    return UserError(
        f"the run of {kind} {parent.name!r} was deleted in MLflow; restore it with: {python()} -m mlflow runs restore"
        f" --run-id {parent.id}{other}"
    )


def parents_anywhere(uri: str, kind: Kind, deleted: bool = False) -> list[tuple[str, TrackedRun]]:
    """The parent runs of this kind in all experiments, newest first, each with the name of its experiment.

    `deleted`: those that were deleted in MLflow instead.
    """
    check_exists(uri)
    client = RetryingClient(uri)
    names = _experiment_names(client)
    runs = _search_runs(client, list(names), f"tags.`{KIND}` = '{kind}'", ["attributes.start_time DESC"], deleted)
    return [(names[run.info.experiment_id], _tracked(run)) for run in runs]


def find_run(uri: str, run_id: str) -> tuple[ExperimentReader, TrackedRun]:
    """A run by its id or the beginning of it, and a reader of its experiment.

    Raises `UserError` if there is no such run, or if several begin so.
    """
    check_exists(uri)
    client = RetryingClient(uri)
    try:
        found = [client.call(lambda plain: plain.get_run(run_id))]
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            why = " ".join(str(error).split())[:300]
            raise UserError(f"{without_password(uri)} refuses to answer: {why}") from None
        found = _runs_that_begin_with(client, run_id)
    if len(found) > 1:
        ids = ", ".join(run.info.run_id for run in found[:_SHOWN_IDS]) + ", …" * (len(found) > _SHOWN_IDS)
        raise UserError(f"{len(found)} runs begin with {run_id!r} ({ids}): give more of the id")
    if not found:
        raise UserError(f"there is no run {run_id!r} in {without_password(uri)}; the MLflow UI shows the ids")
    experiment = client.call(lambda plain: plain.get_experiment(found[0].info.experiment_id))
    return ExperimentReader(uri, experiment.name), _tracked(found[0])


def _experiment_names(client: RetryingClient) -> dict[str, str]:
    experiments = _all_pages(client, lambda plain, token: plain.search_experiments(page_token=token))
    return {found.experiment_id: found.name for found in experiments}


def _runs_that_begin_with(client: RetryingClient, start: str) -> list[Run]:
    if not start.isalnum():
        return []
    return list(_search_runs(client, list(_experiment_names(client)), f"attributes.run_id LIKE '{start.lower()}%'", []))


def _search_runs(
    client: RetryingClient, experiment_ids: list[str], filter_string: str, order_by: list[str], deleted: bool = False
) -> Iterator[Run]:
    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    return _all_pages(
        client,
        lambda plain, token: plain.search_runs(
            experiment_ids, filter_string, run_view_type=view, order_by=order_by, page_token=token
        ),
    )


def _all_pages(client: RetryingClient, page_at: Callable[[MlflowClient, str | None], Any]) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = client.call(lambda plain, token=token: page_at(plain, token))  # type: ignore[misc]
        yield from page
        token = page.token
        if not token:
            return


def _tracked(run: Run) -> TrackedRun:
    info, data = run.info, run.data
    name = data.tags.get(NAME, info.run_name)
    return TrackedRun(info.run_id, name, info.status, data.params, data.metrics, data.tags, info.start_time)
