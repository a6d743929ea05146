"""Databases at their first use by several real processes, which are really killed, and who holds what in them."""

import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest
from support.processes import program

from harness.core.errors import AlreadyRunningError, UserError
from harness.storage.locks import locked
from harness.storage.process import this_process
from harness.storage.sqlite import create_atomically

MAKE_BOTH = """
import sys, time
from harness.core.paths import DEFAULT_SPACE
from harness.studies.space_file import read_space
from harness.studies.study import Study
from harness.tracking.experiments import create_experiment, open_store

while time.time() < float(sys.argv[1]):
    pass
Study("sqlite:///optuna.db", "one", read_space(DEFAULT_SPACE), 420, {})
create_experiment(open_store("sqlite:///mlflow.db"), "search/digits")
"""
HOLD = """
import sys, time
from harness.storage.locks import locked

with locked("sqlite:///o.db", "study 'a'"):
    print("held", flush=True)
    time.sleep(60)
"""


def tables(path):
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def assert_whole(folder):
    assert {"trials", "alembic_version"} <= tables(folder / "optuna.db")
    assert {"runs", "metrics", "alembic_version"} <= tables(folder / "mlflow.db")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        assert sorted(database.execute("SELECT name FROM experiments")) == [("Default",), ("search/digits",)]


@pytest.mark.slow
def test_four_at_the_same_instant_make_both_databases_once(tmp_path):
    start = str(time.time() + 8)  # by then all of them have imported everything
    programs = [program(MAKE_BOTH, tmp_path, start) for _ in range(4)]
    assert [each.wait() for each in programs] == [0, 0, 0, 0]
    assert_whole(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("database", "seconds"), [("optuna", 0.0), ("mlflow", 0.0), ("mlflow", 0.3), ("mlflow", 0.9)])
def test_one_that_is_killed_while_it_makes_a_database_leaves_none_that_is_broken(tmp_path, database, seconds):
    first = program(MAKE_BOTH, tmp_path, "0")
    while not (tmp_path / f".{database}.db.new").exists():
        assert first.poll() is None
        time.sleep(0.001)
    time.sleep(seconds)
    first.kill()
    assert first.wait() == -signal.SIGKILL
    if seconds == 0:
        assert not (tmp_path / f"{database}.db").exists()
    assert program(MAKE_BOTH, tmp_path, "0").wait() == 0
    assert_whole(tmp_path)


def test_what_cannot_be_built_is_not_there(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"

    def half(part):
        with closing(sqlite3.connect(part.removeprefix("sqlite:///"))) as database:
            database.execute("CREATE TABLE half (x)")
        raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        create_atomically(url, half)
    assert not (tmp_path / "a.db").exists()

    def whole(part):
        with closing(sqlite3.connect(part.removeprefix("sqlite:///"))) as database:
            database.execute("CREATE TABLE whole (x)")

    (tmp_path / "a.db").touch()  # as a program leaves it that looked for a database
    create_atomically(url, whole)
    create_atomically(url, half)  # it is there
    assert tables(tmp_path / "a.db") == {"whole"}


def test_a_server_of_another_kind_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    create_atomically("mysql://here/a", lambda _url: pytest.fail("there is nothing to make"))
    with locked("mysql://here/a", "study 'a'"), locked("mysql://here/a", "study 'a'"):
        assert list(tmp_path.iterdir()) == []


def test_what_another_process_holds_is_refused_by_its_name_until_it_dies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with program(HOLD, tmp_path, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        message = rf"^study 'a' is being run by another process \(process {other.pid} on \S+\): wait"
        with pytest.raises(UserError, match=message), locked("sqlite:///o.db", "study 'a'"):
            pass
        with locked("sqlite:///o.db", "study 'b'"):
            pass
        other.kill()
    with locked("sqlite:///o.db", "study 'a'"):
        assert this_process() in {path.read_text() for path in tmp_path.glob("*.owner")}
    assert not list(tmp_path.glob("*.owner"))


def test_a_link_to_a_database_is_the_same_database(tmp_path):
    sqlite3.connect(tmp_path / "optuna.db").close()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.db").symlink_to(tmp_path / "optuna.db")
    with (
        locked(f"sqlite:///{tmp_path}/optuna.db", "study 'a'"),
        pytest.raises(AlreadyRunningError),
        locked(f"sqlite:///{tmp_path}/elsewhere/link.db", "study 'a'"),
    ):
        pass
