"""Where MLflow's runs are written: its store and its experiments, made where there are none."""

from contextlib import suppress
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from harness.storage.locks import make_whole
from harness.tracking.reader import calm
from harness.tracking.retry import Patient

# MLflow 3 opens an experiment in its view for language models unless it is told otherwise.
_SHOWN_AS_TRAINING = {"mlflow.experimentKind": "custom_model_development"}


def writer(uri: str) -> Patient:
    """An MLflow client to write with; its database, where that is a file, is made if there is none."""
    calm()  # before the tables are made
    make_whole(uri, _make_tables)
    return Patient(uri)


def _make_tables(uri: str) -> None:
    store: Any = SqlAlchemyStore  # has no types
    store(uri, DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()


def make_experiment(client: Patient, name: str) -> None:
    """Make the experiment called `name`, if there is none."""
    if client.get_experiment_by_name(name) is None:
        with suppress(MlflowException):  # another process may have made it in this very moment
            client.create_experiment(name, tags=_SHOWN_AS_TRAINING)
