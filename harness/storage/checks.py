"""The URLs of Optuna's and MLflow's stores, checked before anything slow is imported."""

import os
import re
import sqlite3
import tempfile
from http import HTTPStatus
from pathlib import Path

from harness.core.errors import UserError
from harness.storage.urls import driver_error, is_valid, kind, sqlite_file, without_password, without_user

OPTUNA_DEFAULT = "sqlite:///optuna.db"
MLFLOW_DEFAULT = "sqlite:///mlflow.db"
ARTIFACTS = Path("mlruns")

_SECONDS_TO_ANSWER = 10
_LARGEST_ANSWER = 1_000  # bytes
_OPTUNA_KINDS = ("sqlite", "postgresql", "mysql")
_MLFLOW_KINDS = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, else MLflow's own default in the working folder, which a plain `mlflow ui` opens."""
    return os.environ.get("MLFLOW_TRACKING_URI") or MLFLOW_DEFAULT


def check_stores(storage: str, tracking: str) -> None:
    """Raise `UserError` unless both URLs are of a known kind and, if they are files, can be written."""
    _check(storage, _OPTUNA_KINDS, "--storage")
    check_tracking(tracking)
    paths = [path and path.resolve() for path in map(sqlite_file, (storage, tracking))]
    if storage == tracking or (paths[0] is not None and paths[0] == paths[1]):
        raise UserError(
            f"--storage and MLFLOW_TRACKING_URI are both {without_password(storage)}: each needs its own database,"
            f" such as {OPTUNA_DEFAULT} and {MLFLOW_DEFAULT}"
        )


def check_tracking(uri: str) -> None:
    """The same for MLflow's URL alone, and for the folder of its artifacts beside a database file."""
    _check(uri, _MLFLOW_KINDS, "MLFLOW_TRACKING_URI")
    if kind(uri) in ("http", "https"):
        _check_answer(uri)
    if kind(uri) != "sqlite":
        _check_folder(Path(), "the spool of MLflow's store")
    if kind(uri) == "sqlite":
        _check_folder(ARTIFACTS if ARTIFACTS.exists() else Path(), "MLflow's artifacts")


def check_exists(uri: str) -> None:
    """Raise `UserError` if `uri` is a database file that does not exist: reading would create an empty one."""
    path = sqlite_file(uri)
    if path is None or path.exists():
        return
    optuna = sqlite_file(OPTUNA_DEFAULT)
    if optuna and optuna.exists():
        raise UserError(
            f"{path}, which holds the records of MLflow, is not here, but {optuna} is: put {path} back, or give the"
            " command of the search again, which writes again what Optuna kept of its trials"
        )
    raise UserError(
        f"nothing is recorded here: there is no {path}; run harness.search or harness.replicate first,"
        " go to the folder where you did, or set MLFLOW_TRACKING_URI"
    )


def check_name(name: str) -> None:
    """Raise `UserError` unless `name` is valid for a study: it is used in file names, URLs and queries."""
    if not re.fullmatch(r"[\w.:+-]{0,100}", name):
        raise UserError(f"--study is {name!r}: it should be at most 100 letters, digits and the characters . _ : + -")


def _check(url: str, kinds: tuple[str, ...], name: str) -> None:
    if "://" not in url or kind(url) not in kinds:
        known = ", ".join(f"{kind}://" for kind in kinds)
        raise UserError(f"{name} is {without_password(url)!r}: it should begin with one of {known}")
    if not is_valid(url):
        raise UserError(f"{name} is {without_password(url)!r}: its host or port cannot be read; check the address")
    if kind(url) not in ("http", "https") and (problem := driver_error(url)):
        raise UserError(f"{name} is {without_password(url)!r}: {problem}")
    if kind(url) == "sqlite":
        _check_sqlite(url, name)


def _check_answer(uri: str) -> None:
    """Ask the server for an answer: MLflow itself would retry for minutes."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    name = f"MLFLOW_TRACKING_URI is {without_password(uri)!r}"
    try:
        with urlopen(f"{without_user(uri).rstrip('/')}/health", timeout=_SECONDS_TO_ANSWER) as answer:  # noqa: S310  # http or https, as checked
            is_page = answer.headers.get_content_type() == "text/html"
            if is_page and answer.read(_LARGEST_ANSWER).strip() != b"OK":  # MLflow's own, from some of its servers
                raise UserError(
                    f"{name}: a web page answers there, not MLflow's server; it may be the login of a proxy: log in"
                    " there, or use the address of the server itself"
                )
    except HTTPError as error:
        with error:
            answer_text = error.read(_LARGEST_ANSWER).lower()
        if error.code == HTTPStatus.FORBIDDEN and b"host" in answer_text:
            raise UserError(
                f"{name}: the server does not serve this host name; start it with --allowed-hosts {_host(uri)}"
            ) from None
        if error.code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise UserError(f"{name}: {_proxy(uri)} asks for a login; add it to the proxy's address") from None
        # Otherwise a server answers; MLflow reports whether it accepts us.
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        proxy = _proxy(uri)
        remedy = f"it was asked through {proxy}: set no_proxy={_host(uri)}, or" if proxy else "start the server or"
        raise UserError(f"{name}: no answer from there ({why}); {remedy} unset the variable") from None


def _host(uri: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(without_user(uri)).hostname or ""


def _proxy(uri: str) -> str:
    """The proxy through which this address is asked, in words, or ""."""
    from urllib.request import getproxies, proxy_bypass

    proxy = getproxies().get(kind(uri), "")
    return "" if not proxy or proxy_bypass(_host(uri)) else f"the proxy {without_password(proxy)}"


def _check_sqlite(url: str, option: str) -> None:
    path = sqlite_file(url)
    if path is None or not path.name or path.name.startswith(":memory:"):
        raise UserError(f"{option} names no file, so nothing would be stored; use {OPTUNA_DEFAULT}, for example")
    if not path.exists():
        return _check_folder(path.parent, f"the database of {option}")
    try:
        connection = sqlite3.connect(path, timeout=0)
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            connection.close()
    except sqlite3.Error as error:
        if "locked" not in str(error):  # later calls wait for a lock
            raise UserError(
                f"{option}: {path} cannot be used ({error}); choose another file or fix its permissions"
            ) from None


def _check_folder(folder: Path, purpose: str) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        where = "the working directory" if folder == Path() else str(folder)
        raise UserError(
            f"{purpose} cannot be written to {where} ({error.strerror}); choose another folder or fix its permissions"
        ) from None
