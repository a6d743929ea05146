import logging
import sqlite3
from contextlib import closing

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base
from sqlalchemy import create_engine

from harness.core.errors import UserError
from harness.storage.urls import sqlite_url
from harness.tracking.experiments import create_experiment, open_store
from harness.tracking.migrations import check_schema, installed_schemas

OLD = "90e64c465722"  # of 2019


@pytest.fixture
def uri(tmp_path):
    return sqlite_url(tmp_path / "mlflow.db")


def make_tables(uri, revision):
    engine = create_engine(uri)
    Base.metadata.create_all(engine)
    engine.dispose()
    command.upgrade(_get_alembic_config(uri), revision)


def revision_of(path):
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_the_schemas_are_those_that_alembic_finds():
    script = ScriptDirectory.from_config(_get_alembic_config(""))
    assert installed_schemas() == ({one.revision for one in script.walk_revisions()}, script.get_current_head())


def test_a_database_of_an_older_mlflow_is_copied_then_migrated_and_said_so(tmp_path, uri, caplog):
    make_tables(uri, OLD)
    with caplog.at_level(logging.WARNING, "harness"):
        client = open_store(uri)
    (backup,) = tmp_path.glob("mlflow.db.before-mlflow-*")
    assert f"was made by an older MLflow (schema {OLD}): it is migrated to MLflow" in caplog.text
    assert str(backup) in caplog.text
    assert (revision_of(backup), revision_of(tmp_path / "mlflow.db")) == (OLD, installed_schemas().newest)
    assert create_experiment(client, "search/digits")


def test_a_database_of_a_newer_mlflow_is_refused_and_left_alone(tmp_path, migrated_store, uri):
    path = tmp_path / "mlflow.db"
    path.write_bytes(migrated_store.read_bytes())
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"was made by a newer MLflow \(schema ffffffffffff\).*upgrade MLflow, or set"):
        open_store(uri)
    assert path.read_bytes() == before


def test_no_table_is_made_in_a_database_of_another_program(tmp_path, uri):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE orders (number INTEGER)")
    with pytest.raises(UserError, match=r"a database of another program \(it has the tables orders, …\); name one of"):
        open_store(uri)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("orders",)]


def test_a_server_over_http_and_a_database_without_tables_are_left_alone(tmp_path, uri):
    check_schema("http://127.0.0.1:1")
    (tmp_path / "mlflow.db").touch()
    check_schema(uri)
    assert not (tmp_path / "mlflow.db").read_bytes()
