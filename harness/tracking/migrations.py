"""Looks at a database before MLflow opens it: MLflow makes its tables in any database, and migrates some in silence.

Does not import MLflow itself, because `harness.ui` uses this too.
"""

import logging
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from harness.cli.command import python
from harness.core.errors import UserError
from harness.storage.sqlite import writable
from harness.storage.tables import check_tables, read_value
from harness.storage.urls import kind, sqlite_file, without_password

_log = logging.getLogger("harness")
_REVISION = re.compile(r"^(down_)?revision\s*(?::[^=]*)?=\s*[\"'](\w+)[\"']", re.MULTILINE)


class Schemas(NamedTuple):
    """The revisions of MLflow's tables that the installed MLflow knows, and the newest."""

    known: frozenset[str]
    newest: str


@cache
def check_schema(uri: str) -> None:
    """Refuse a database of another program or of a newer MLflow; migrate one of an older MLflow after copying it.

    A server that answers over http is left alone, and so is a database that has no tables yet.

    Raises `UserError` with the remedy; only a file is migrated here.
    """
    if kind(uri) in ("http", "https"):
        return
    if "alembic_version" not in check_tables(uri, "experiments", "MLFLOW_TRACKING_URI"):
        return  # there are no tables yet, or a process died while it made them: MLflow makes the rest
    found, schemas = read_value(uri, "SELECT version_num FROM alembic_version"), installed_schemas()
    shown, mlflow = without_password(uri), f"MLflow {version('mlflow')}"
    if found == schemas.newest:
        return
    if found not in schemas.known:
        raise UserError(
            f"{shown} was made by a newer MLflow (schema {found}) than the {mlflow} here: upgrade MLflow, or set"
            " MLFLOW_TRACKING_URI to another database"
        )
    path = sqlite_file(uri)
    if path is None:
        raise UserError(
            f"{shown} was made by an older MLflow (schema {found}): back it up, then migrate it with: {python()} -m"
            f" mlflow db upgrade {shown}"
        )
    with writable(path), FileLock(path.with_name(f".{path.name}.lock")):
        if read_value(uri, "SELECT version_num FROM alembic_version") == found:  # no other process has migrated it
            _migrate(path, uri, f"{path} was made by an older MLflow (schema {found})")


@cache
def installed_schemas() -> Schemas:
    """Read from the migrations that come with MLflow: alembic would import each of them, which takes half a second."""
    spec = find_spec("mlflow")
    assert spec is not None and spec.origin is not None
    files = (Path(spec.origin).parent / "store" / "db_migrations" / "versions").glob("*.py")
    found = [match for file in files for match in _REVISION.findall(file.read_text(encoding="utf-8"))]
    known = {revision for down, revision in found if not down}
    (newest,) = known - {revision for down, revision in found if down}
    return Schemas(frozenset(known), newest)


def _migrate(path: Path, uri: str, why: str) -> None:
    backup = path.with_name(f"{path.name}.before-mlflow-{version('mlflow')}")
    if not backup.exists():
        partial = path.with_name(f".{backup.name}")
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
        os.replace(partial, backup)
    _log.warning("%s: it is migrated to MLflow %s; as it was, it is kept in %s", why, version("mlflow"), backup)
    done = subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", uri], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{path} could not be migrated ({last}); put {backup} in its place")
