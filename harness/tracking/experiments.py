"""Creates MLflow's store and its experiments."""

from typing import Any

from harness.tracking import settings  # noqa: F401  # before MLflow is imported

# isort: split
from mlflow.entities import Experiment, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from harness.cli.command import command_line, python
from harness.core.errors import UserError
from harness.storage.checks import ARTIFACTS
from harness.storage.sqlite import create_atomically
from harness.storage.urls import sqlite_file
from harness.tracking.migrations import check_schema
from harness.tracking.places import DATABASE, made_in
from harness.tracking.retry import RetryingClient, store_name
from harness.tracking.schema import DESCRIPTION, NAME
from harness.tracking.settings import quiet_mlflow

_DESCRIPTIONS = {
    "search": "Searches on {name}. Each study is a run that holds its page and what it found; below it are its trials"
    " (tag `harness.kind` = 'trial'), the runs that confirm the best ones, and the tests of the winner and of the"
    " lesson's setting.",
    "claims": "Replications of the claim `{name}`. Each one is a run; below it are the runs of its arms under each seed"
    " (tag `harness.kind` = 'arm') and those that tune an lr ('tuning'). An arm that is a search has a study of its own"
    " for each seed, beside it. `python -m analysis.report` judges them.",
    "claims/exact": "The lesson's exact statements: each run holds the numbers that were found and their bounds.",
    "reports": "Reports: each run holds a page with its verdicts and figures.",
}
# Without this tag, MLflow 3 opens an experiment in its view for language models.
_SHOWN_AS_TRAINING = {"mlflow.experimentKind": "custom_model_development"}


def open_store(uri: str) -> RetryingClient:
    """A client of the store at `uri`. A database file is created if there is none."""
    quiet_mlflow()  # before the migrations run
    create_atomically(uri, _create_tables)
    return RetryingClient(uri)


def find_experiment(client: RetryingClient, name: str) -> str | None:
    """The id of the experiment called `name`, whatever it is called in MLflow now; None if there is none.

    Raises `UserError` if it was deleted in MLflow.
    """
    found = client.call(lambda plain: plain.get_experiment_by_name(name)) or _renamed(client, name)
    if found is None:
        return None
    if found.lifecycle_stage == "deleted":
        raise UserError(
            f"the experiment {name!r} was deleted in MLflow; restore it with: {python()} -m mlflow experiments restore"
            f" --experiment-id {found.experiment_id}"
        )
    return str(found.experiment_id)


def create_experiment(client: RetryingClient, name: str) -> str:
    """The id of the experiment called `name`, created if there is none.

    Raises `UserError` if the store cannot be written, if the experiment was deleted in MLflow, or if its database was
    moved or copied, so that artifacts would be written in the other folder.
    """
    if found := find_experiment(client, name):
        check_place(client, found)
        _tag_older(client, found, name)
        return found
    tags, location = _SHOWN_AS_TRAINING | {NAME: name} | _description(name), None
    if path := sqlite_file(client.uri):
        tags[DATABASE] = str(path.resolve())
        # MLflow decodes the default place as a URL, so that a folder a%20b would become a b.
        location = (ARTIFACTS.absolute() / name).as_uri()
    try:
        return client.call(lambda plain: plain.create_experiment(name, location, tags))
    except MlflowException as error:  # another process may have created it at this moment
        if found := find_experiment(client, name):
            return found
        reason = str(error).partition("\n")[0]
        raise UserError(f"{store_name(client.uri)} cannot be written: {reason}") from None


def _description(name: str) -> dict[str, str]:
    kind, _, rest = name.partition("/")
    text = _DESCRIPTIONS.get(name) or _DESCRIPTIONS.get(kind)
    return {DESCRIPTION: text.format(name=rest)} if text else {}


def _tag_older(client: RetryingClient, experiment_id: str, name: str) -> None:
    """Give an experiment that earlier code made a description, and the tag by which it is found when it is renamed."""
    experiment = client.call(lambda plain: plain.get_experiment(experiment_id))
    if experiment.name == name:
        for tag, value in ({NAME: name} | _description(name)).items():
            if tag not in experiment.tags:
                client.call(lambda plain, tag=tag, value=value: plain.set_experiment_tag(experiment_id, tag, value))  # type: ignore[misc]


def _renamed(client: RetryingClient, name: str) -> Experiment | None:
    tag = f"tags.`{NAME}` = '{name}'"
    found = client.call(lambda plain: plain.search_experiments(ViewType.ALL, filter_string=tag))
    return found[0] if found else None


def check_place(client: RetryingClient, experiment_id: str) -> None:
    """Raise `UserError` if the database of an experiment was moved or copied without its artifacts."""
    path = sqlite_file(client.uri)
    experiment = client.call(lambda plain: plain.get_experiment(experiment_id))
    made = made_in(experiment.artifact_location, experiment.tags.get(DATABASE)) if path else None
    if path is None or made is None or made == path.resolve().parent:
        return
    if DATABASE not in experiment.tags and made.exists() and not (made / path.name).exists():
        return  # older code kept the artifacts in the working folder, and the database elsewhere
    raise UserError(
        f"{path.resolve()} was moved or copied from {made}, where its artifacts are still looked for; mend this copy"
        f" with: {command_line('harness.relocate')}"
    )


def _create_tables(uri: str) -> None:
    check_schema(uri)  # here, because no other process makes tables meanwhile
    store: Any = SqlAlchemyStore  # it has no type hints
    # As a URL: MLflow puts the path into SQL as it is, where a quote in a folder's name ends the text.
    store(uri, ARTIFACTS.absolute().as_uri()).engine.dispose()
