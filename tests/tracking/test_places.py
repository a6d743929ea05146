import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from harness.core.errors import UserError
from harness.core.metrics import DatasetRecord
from harness.storage.urls import sqlite_url
from harness.tracking.experiments import create_experiment, open_store
from harness.tracking.places import made_in, relocate
from harness.tracking.reader import ExperimentReader
from harness.tracking.writer import ExperimentWriter

RECORD = DatasetRecord("digits", "0" * 64, "", "", "", "digits")
ODD = "a%20b 'it\"s' #c"


def uri():
    """Absolute, because MLflow keeps one connection for each address that it has seen in a process."""
    return sqlite_url(Path.cwd() / "mlflow.db")


@pytest.fixture
def recorded(tmp_path, migrated_store, monkeypatch):
    """A folder with a database, and a run in it that has an artifact."""
    folder = tmp_path / ODD
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.copy(migrated_store, "mlflow.db")
    writer = ExperimentWriter(uri(), "search/digits", RECORD, "cpu")
    run = writer.open_parent("study", "study", {})
    writer.log_texts(run, {"note.txt": "as it was"})
    writer.close(wait=True)
    return folder, run


def note(run, store):
    return Path(MlflowClient(store).download_artifacts(run, "note.txt")).read_text()


def test_artifacts_lie_in_the_folder_whatever_signs_its_name_has(recorded):
    folder, run = recorded
    assert (folder / "mlruns/search/digits" / run / "artifacts/note.txt").exists()
    assert note(run, uri()) == "as it was"
    assert not (folder.parent / ODD.replace("%20", " ")).exists(), "where MLflow would put them by itself"


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_what_was_moved_or_copied_is_refused_until_it_is_mended(recorded, tmp_path, monkeypatch, move):
    folder, run = recorded
    new = tmp_path / "b %41"
    move(folder, new)
    monkeypatch.chdir(new)
    told = rf"{re.escape(str(new))}/mlflow.db was moved or copied from .*; mend this copy with: \S+ -m harness.relocate"
    reader = ExperimentReader(uri(), "search/digits")
    assert reader.parents("study")[0].id == run, "whoever only reads may read a copy"
    with pytest.raises(UserError, match=told):
        ExperimentWriter(uri(), "search/digits", RECORD, "cpu")
    with pytest.raises(UserError, match=told):
        reader.array(run, "path.npy")
    before = (new / "mlflow.db").read_bytes()
    done = relocate(Path("mlflow.db"))
    assert (new / done.backup).read_bytes() == before and done.missing_models == 0
    again = uri().replace("sqlite:", "sqlite+pysqlite:")  # with a connection of its own, as another process has
    shutil.rmtree(folder, ignore_errors=True)
    assert ExperimentReader(again, "search/digits").parents("study")[0].id == run
    assert note(run, again) == "as it was"
    writer = ExperimentWriter(again, "search/digits", RECORD, "cpu")
    more = writer.open_parent("another study", "study", {})
    writer.log_texts(more, {"more.txt": "written here"})
    writer.close(wait=True)
    assert (new / "mlruns/search/digits" / more / "artifacts/more.txt").exists()
    with pytest.raises(UserError, match="before-relocation is there already"):
        relocate(Path("mlflow.db"))
    done.backup.unlink()
    with pytest.raises(UserError, match="neither moved nor copied"):
        relocate(Path("mlflow.db"))
    assert not list(new.glob(".mlflow.db.relocated*"))


def test_an_experiment_without_the_tag_is_judged_by_its_artifacts(recorded, tmp_path, monkeypatch):
    """As code made it that did not tag experiments yet."""
    folder, _ = recorded

    def older(place):
        with closing(sqlite3.connect("mlflow.db")) as database, database:
            database.execute("DELETE FROM experiment_tags WHERE key = 'harness.database'")
            database.execute("UPDATE experiments SET artifact_location = ? WHERE name = 'search/digits'", [place])

    client = open_store(uri())
    older(f"{folder}/mlruns/1")
    assert create_experiment(client, "search/digits")
    elsewhere = tmp_path / "artifacts only"
    elsewhere.mkdir()
    older(f"{elsewhere}/mlruns/1")
    assert create_experiment(client, "search/digits"), "its artifacts may lie in another folder"
    older("s3://bucket/place/1")
    assert create_experiment(client, "search/digits")
    for gone in ("/no/such/folder/mlruns/1", f"{elsewhere}/mlruns/1"):
        older(gone)
        shutil.copy("mlflow.db", elsewhere)
        with pytest.raises(UserError, match="was moved or copied"):
            create_experiment(client, "search/digits")


@pytest.mark.parametrize(
    ("location", "database", "folder"),
    [
        ("/a/b/mlruns/1", None, "/a/b"),
        ("file:///a%20b/mlruns/search/digits", None, "/a b"),
        ("file:///a/mlruns/b/mlruns/1", None, "/a/mlruns/b"),
        ("/a/b/mlruns/1", "/c/mlflow.db", "/c"),
        ("s3://bucket/mlruns/1", None, None),
        ("mlflow-artifacts:/1", None, None),
        ("/a/b/1", None, None),
    ],
)
def test_where_a_database_was_made_is_read_off_its_tag_or_its_artifacts(location, database, folder):
    assert made_in(location, database) == (Path(folder) if folder else None)


def test_another_file_is_not_taken_for_a_database_of_mlflow(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mlflow.db").write_text("no database")
    with pytest.raises(UserError, match="cannot be mended"):
        relocate(Path("mlflow.db"))
    assert Path("mlflow.db").read_text() == "no database" and len(list(tmp_path.iterdir())) == 1


def test_an_experiment_that_was_renamed_is_found_by_its_tag(recorded):
    folder, run = recorded
    client = MlflowClient(uri())
    experiment = client.get_experiment_by_name("search/digits")
    client.rename_experiment(experiment.experiment_id, "my searches")
    writer = ExperimentWriter(uri(), "search/digits", RECORD, "cpu")
    assert writer.parent("study", "study").id == run
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(UserError, match="experiment 'search/digits' was deleted in MLflow; restore it with"):
        ExperimentWriter(uri(), "search/digits", RECORD, "cpu")
    assert folder.exists()


def test_an_experiment_of_earlier_code_gets_that_tag(recorded):
    folder, run = recorded
    with closing(sqlite3.connect("mlflow.db")) as database, database:
        database.execute("DELETE FROM experiment_tags")
    ExperimentWriter(uri(), "search/digits", RECORD, "cpu")
    client = MlflowClient(uri())
    client.rename_experiment(client.get_experiment_by_name("search/digits").experiment_id, "my searches")
    assert ExperimentReader(uri(), "search/digits").parents("study")[0].id == run
    assert folder.exists()


def test_a_link_to_a_moved_database_is_kept_and_the_database_mended(recorded, tmp_path, monkeypatch):
    folder, run = recorded
    new = tmp_path / "new"
    shutil.move(folder, new)
    (tmp_path / "by link").mkdir()
    monkeypatch.chdir(tmp_path / "by link")
    Path("mlflow.db").symlink_to(new / "mlflow.db")
    done = relocate(Path("mlflow.db"))
    assert Path("mlflow.db").is_symlink() and done.backup == new / "mlflow.db.before-relocation"
    assert not done.backup.is_symlink()
    assert note(run, sqlite_url(new / "mlflow.db")) == "as it was"


def test_artifacts_that_were_not_copied_are_still_found_where_they_are(recorded, tmp_path, monkeypatch):
    folder, run = recorded
    new = tmp_path / "database only"
    new.mkdir()
    shutil.copy(folder / "mlflow.db", new)
    monkeypatch.chdir(new)
    relocate(Path("mlflow.db"))
    assert note(run, uri()) == "as it was"
    writer = ExperimentWriter(uri(), "search/digits", RECORD, "cpu")
    more = writer.open_parent("another study", "study", {})
    writer.log_texts(more, {"more.txt": "written here"})
    writer.close(wait=True)
    assert (new / "mlruns/search/digits" / more / "artifacts/more.txt").exists()
