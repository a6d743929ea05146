"""Where the artifacts of an MLflow database in a file are: MLflow keeps absolute paths, which a moved folder breaks."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlparse

from harness.core.errors import UserError
from harness.storage.checks import ARTIFACTS
from harness.storage.sqlite import watch
from harness.storage.urls import sqlite_url

DATABASE = "harness.database"  # tag of an experiment: the database file in which it was made
_PLACES = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}


class Relocation(NamedTuple):
    """What `relocate` did: how many paths it changed, and how many of the models there are not here."""

    places: int
    missing_models: int
    backup: Path


def made_in(artifact_location: str, database: str | None) -> Path | None:
    """The folder in which an experiment's database was made, by its tag, else by its artifacts; None if unknown."""
    if database is not None:
        return Path(database).parent
    path = _path(artifact_location)
    above = [folder.parent for folder in path.parents if folder.name == ARTIFACTS.name] if path else []
    return above[0] if above else None


def relocate(path: Path) -> Relocation:
    """Let the MLflow database `path`, which was moved or copied with its folder, look for its artifacts beside it.

    Works on a copy, which then takes the place of the database; the database itself is kept as `backup`.

    Raises `UserError` if nothing has to be mended, or if `path` is no database of MLflow.
    """
    path = path.resolve()
    check = watch(sqlite_url(path))
    new = path.with_name(f".{path.name}.relocated")
    backup = path.with_name(f"{path.name}.before-relocation")
    if backup.exists():
        raise UserError(f"{backup} is there already: move it away, then run the same command again")
    new.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(new)) as copy:
            source.backup(copy)
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            experiments, changed = _move(copy, path)
            copy.execute("PRAGMA journal_mode=WAL")
        if not experiments:
            raise UserError(f"{path} was neither moved nor copied: nothing has to be mended")
        check()
        os.rename(path, backup)
        os.rename(new, path)
    except sqlite3.Error as error:
        raise UserError(f"{path} cannot be mended ({error}); is it a database of MLflow?") from None
    finally:
        new.unlink(missing_ok=True)
    models = [folder for table, place in changed if table == "logged_models" and (folder := _path(place))]
    return Relocation(len(changed), sum(not folder.exists() for folder in models), backup)


def _move(database: sqlite3.Connection, path: Path) -> tuple[int, list[tuple[str, str]]]:
    """Change every path of the experiments that were made elsewhere: their number, and table and value of each path."""
    tag = "SELECT value FROM experiment_tags AS tags WHERE tags.experiment_id = experiments.experiment_id AND key = ?"
    rows = database.execute(f"SELECT experiment_id, artifact_location, ({tag}) FROM experiments", [DATABASE])  # noqa: S608
    experiments = 0
    changed: list[tuple[str, str]] = []
    for experiment_id, location, made_as in rows.fetchall():
        old = made_in(location, made_as)
        if old is None or old == path.parent:
            continue
        experiments += 1
        for table, column in _PLACES.items():
            of_it = f"FROM {table} WHERE experiment_id = ?"
            for (place,) in database.execute(f"SELECT DISTINCT {column} {of_it}", [experiment_id]).fetchall():
                new = _moved(place, old, path.parent)
                if new != place and (table == "experiments" or not _is_only(place, new)):
                    database.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", [new, place])  # noqa: S608
                    changed.append((table, new))
        database.execute(
            "UPDATE experiment_tags SET value = ? WHERE experiment_id = ? AND key = ?",
            [str(path), experiment_id, DATABASE],
        )
    database.commit()
    return experiments, changed


def _moved(place: str, old: Path, new: Path) -> str:
    """The place below the new folder, as a URL, which means the same whatever signs the folder's name has."""
    path = _path(place)
    return (new / path.relative_to(old)).as_uri() if path and path.is_relative_to(old) else place


def _is_only(place: str, new: str) -> bool:
    """Whether there are artifacts at this place, and none at the new one."""
    old_path, new_path = _path(place), _path(new)
    return bool(old_path and new_path and old_path.exists() and not new_path.exists())


def _path(place: str) -> Path | None:
    """The folder that MLflow means by a place, None if it is not on this machine."""
    parsed = urlparse(place)
    return Path(unquote(parsed.path)) if parsed.scheme in ("", "file") else None
