import socket
import threading
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.core.errors import UserError
from harness.storage.checks import (
    MLFLOW_DEFAULT,
    OPTUNA_DEFAULT,
    check_exists,
    check_name,
    check_stores,
    check_tracking,
    tracking_uri,
)
from harness.storage.urls import without_password, without_user


def test_the_default_stores_are_accepted_in_an_empty_folder_and_nothing_is_left_there():
    check_stores(OPTUNA_DEFAULT, MLFLOW_DEFAULT)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("redis://here", "--storage is 'redis://here': it should begin with one of sqlite://, postgresql://"),
        ("optuna.db", "it should begin with one of"),
        ("", "it should begin with one of"),
        ("sqlite:///", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///no/such/folder/optuna.db", "cannot be written to no/such/folder (No such file or directory)"),
        ("sqlite:///text.db", "text.db cannot be used (file is not a database)"),
        ("sqlite:///a%20folder/o.db", "cannot be written to a folder (No such file or directory)"),
        ("sqlite+nothing:///o.db", "'sqlite+nothing:///o.db': there is no driver 'sqlite+nothing'"),
        ("sqlite+aiosqlite:///o.db", "its driver is missing (No module named 'aiosqlite'); install it"),
        ("postgresql+nothing://me@host/db", "there is no driver 'postgresql+nothing'"),
        ("sqlite:///mlruns", "mlruns cannot be used"),
        ("sqlite:///mlflow.db", "each needs its own database"),
    ],
)
def test_a_storage_that_cannot_work_is_refused(storage, message):
    Path("text.db").write_text("this is no database, and long enough to be looked at as one" * 20)
    Path("mlruns").mkdir()
    with pytest.raises(UserError) as refusal:
        check_stores(storage, MLFLOW_DEFAULT)
    assert message in str(refusal.value)


def test_artifacts_need_a_folder():
    Path("mlruns").write_text("a file")
    with pytest.raises(UserError, match=r"MLflow's artifacts cannot be written to mlruns \(Not a directory\)"):
        check_stores(OPTUNA_DEFAULT, MLFLOW_DEFAULT)


def test_a_database_that_another_program_locks_is_waited_for_later():
    import sqlite3

    writer = sqlite3.connect("optuna.db")
    writer.execute("BEGIN EXCLUSIVE")
    check_stores(OPTUNA_DEFAULT, MLFLOW_DEFAULT)
    writer.close()


def test_the_tracking_uri_is_the_environments_or_mlflows_default(monkeypatch):
    assert tracking_uri() == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri() == "http://127.0.0.1:5000"


@pytest.mark.parametrize("tracking", ["sqlite:///./o.db", "sqlite:///../{}/o.db", "sqlite:///{}/o.db"])
def test_one_file_for_both_databases_is_refused_however_it_is_written(tmp_path, tracking):
    folder = tmp_path.name if "../" in tracking else tmp_path
    with pytest.raises(UserError, match="each needs its own database"):
        check_stores("sqlite:///o.db", tracking.format(folder))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql:///db?host=/run&password=a%20b&user=me", "postgresql:///db?host=/run&password=***&user=me"),
        ("sqlite:///optuna.db", "sqlite:///optuna.db"),
        ("sqlite:///a folder/o.db?timeout=5", "sqlite:///a folder/o.db?timeout=5"),
        ("postgresql://me:s/e#c?ret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("http://host:5000/path?token=x&passwd=y", "http://host:5000/path?token=***&passwd=***"),
        ("http://me:se/cret@host:5000/path?token=x", "http://me:***@host:5000/path?token=***"),
        ("postgresql://me:s@cret@host/db", "postgresql://***"),
        ("http://me:secret@[::1", "http://***"),
        ("http://me:secret@host:99x/", "http://***"),
        ("csv:a://b", "csv:a://***"),
    ],
)
def test_a_password_is_not_shown(url, shown):
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("http://ann:se/cret@host:5000/a/b?x=1", "http://host:5000/a/b?x=1"),
        ("http://ann@host/", "http://host/"),
        ("http://host:5000/#/experiments", "http://host:5000/#/experiments"),
    ],
)
def test_an_address_without_its_user(url, bare):
    assert without_user(url) == bare


@pytest.mark.parametrize("uri", ["http://me:secret@[::1", "http://me:secret@host:99x/", "postgresql://me:s@cret@h/d"])
def test_an_address_that_cannot_be_read_is_one_line_without_its_password(uri):
    with pytest.raises(UserError, match="its host or port cannot be read; check the address") as error:
        check_tracking(uri)
    assert "cret" not in str(error.value)


def test_records_that_wait_for_a_server_need_a_folder(monkeypatch):
    monkeypatch.chdir("/proc")
    with pytest.raises(UserError, match=r"^the spool of MLflow's store cannot be written to the working directory"):
        check_tracking("postgresql+psycopg2://me@host/db")


def test_a_server_that_does_not_answer_is_said_at_once_and_one_that_does_is_taken():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = nobody.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"MLFLOW_TRACKING_URI is 'http://127.0.0.1:{port}': no answer from there \("
        ):
            check_tracking(f"http://127.0.0.1:{port}")
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)  # answers 404: somebody is there
    threading.Thread(target=server.handle_request, daemon=True).start()
    check_tracking(f"http://ann:secret@127.0.0.1:{server.server_port}")
    server.server_close()


@contextmanager
def answering(status, kind, body):
    """The address of a server that always answers so, also as a proxy."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "kind", "body", "told"),
    [
        (
            200,
            "text/html; charset=utf-8",
            b"<h1>Log in</h1>",
            "a web page answers there, not MLflow's server; it may be",
        ),
        (403, "text/plain", b"Invalid Host header - possible DNS rebinding", "start it with --allowed-hosts 127.0.0.1"),
        (407, "text/plain", b"", "asks for a login; add it to the proxy's address"),
        (200, "text/plain", b"OK", ""),
        (200, "text/html; charset=utf-8", b"OK", ""),  # as MLflow's server answers under gunicorn
        (401, "text/plain", b"", ""),
        (403, "text/plain", b"not yours", ""),
    ],
)
def test_a_server_that_is_not_mlflows_or_refuses_is_told_from_one_that_answers(status, kind, body, told):
    with answering(status, kind, body) as uri, pytest.raises(UserError) if told else nullcontext() as refusal:
        check_tracking(uri)
    assert not told or told in str(refusal.value)


def test_a_proxy_that_does_not_answer_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(UserError) as refusal:
        check_tracking("http://mlflow.example:5000")
    told = (
        "it was asked through the proxy http://me:***@127.0.0.1:9: set no_proxy=mlflow.example, or unset the variable"
    )
    assert told in str(refusal.value)


def test_a_password_of_a_refused_storage_is_not_shown():
    with pytest.raises(UserError) as refusal:
        check_stores("oracle://me:secret@host/db", MLFLOW_DEFAULT)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("name", ["", "fashion-mnist-420", "a.b_c:d+e", "学习"])
def test_plain_study_names_are_accepted(name):
    check_name(name)


@pytest.mark.parametrize("name", ["../x", "a b", "it's", "<script>", "x" * 101])
def test_names_that_could_leave_their_place_are_refused(name):
    with pytest.raises(UserError, match="--study is"):
        check_name(name)


def test_a_lost_database_beside_the_other_one_is_named_with_its_remedy():
    Path("optuna.db").touch()
    with pytest.raises(
        UserError, match=r"^mlflow.db, .* is not here, but optuna.db is: put mlflow.db back, or give the"
    ):
        check_exists("sqlite:///mlflow.db")


@pytest.mark.parametrize("form", ["sqlite:///mlflow.db", "sqlite:///{}/mlflow.db", "sqlite:///mlflow.db?timeout=3"])
def test_reading_makes_no_empty_database(tmp_path, form):
    uri = form.format(tmp_path)
    with pytest.raises(UserError, match=r"nothing is recorded here: there is no .*mlflow.db; run harness.search"):
        check_exists(uri)
    (tmp_path / "mlflow.db").touch()
    check_exists(uri)
    check_exists("http://localhost:5000")
