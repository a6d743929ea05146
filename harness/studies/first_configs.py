"""Configs that a study tries first, read from a CSV file. Those of another study are in `warm_start.py`."""

import csv
import hashlib
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.errors import UserError
from harness.core.files import read_small
from harness.core.network import label
from harness.core.validation import suggest
from harness.studies.domains import Choices, Range, is_whole
from harness.studies.space import Space

FIRST = "first"  # key of a study's user attribute in Optuna: the `FirstConfigs` that it began with
_SWITCH = {"true": True, "on": True, "false": False, "off": False}


class FirstConfigs(NamedTuple):
    """`params`: of each config, in order; those that it lacks are sampled. `source` says which ones these are."""

    source: str
    params: list[dict[str, Any]]


def read_configs(path: Path, space: Space) -> FirstConfigs:
    """The configs of a CSV file, one per row; its columns are parameters of `space`.

    Raises `UserError`, which names the file, the line and the column.
    """
    try:
        text = read_small(path)
    except OSError as error:
        raise UserError(f"cannot read --enqueue {path} ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"--enqueue {path} is not a small text file: {error}") from None
    rows = csv.DictReader(StringIO(text), strict=True)
    try:
        columns = rows.fieldnames or []
        names = {column: _parameter(path, column, space) for column in columns}
        if len(set(names.values())) < len(columns):
            raise UserError(f"--enqueue {path}: {','.join(columns)} names a parameter twice")
        found = [_config(path, rows.line_num, row, names, space) for row in rows]
    except csv.Error as error:
        raise UserError(f"--enqueue {path}, line {rows.line_num}: {error}") from None
    if not found:
        raise UserError(f"--enqueue {path} has no config: give a line of names, as lr,gamma, and a line per config")
    return FirstConfigs(f"--enqueue {path.name} {hashlib.sha256(text.encode()).hexdigest()[:12]}", found)


def _parameter(path: Path, column: str, space: Space) -> str:
    known = {label(name): name for name in space.searched}
    name = known.get(label(column.strip()))
    if name is None:
        there = f"the search space has {', '.join(known)}"
        if ";" in column or "\t" in column:
            raise UserError(f"--enqueue {path}: {column!r} is not searched; separate names by commas; {there}")
        raise UserError(f"--enqueue {path}: {column!r} is not searched; {suggest(column, known)}{there}")
    return name


def _config(
    path: Path, line: int, row: Mapping[str | None, Any], names: Mapping[str, str], space: Space
) -> dict[str, Any]:
    here = f"--enqueue {path}, line {line}"
    if None in row or None in row.values():
        raise UserError(f"{here}: it should have {len(names)} values, as the first line")
    params = {name: _value(row[column].strip(), name, space) for column, name in names.items() if row[column].strip()}
    for name in space.outside(params):
        domain = space.searched[name]
        whole = "a whole number, " if isinstance(domain, Range) and is_whole(name, domain) else ""
        raise UserError(f"{here}: {label(name)} is {params[name]!r}; it should be {whole}{domain.text()}")
    return params


def _value(text: str, name: str, space: Space) -> Any:
    """The value that a cell means; the text itself if it means none, which lies in no space."""
    domain = space.searched[name]
    if isinstance(domain, Choices):
        fitting = [choice for choice in domain.choices if str(choice) == text or _SWITCH.get(text.lower()) is choice]
        fitting += [choice for choice in domain.choices if _number(text) == choice and not isinstance(choice, bool)]
        return next(iter(fitting), text)
    number = _number(text)
    if number is not None and is_whole(name, domain) and number.is_integer():
        return int(number)
    return text if number is None else number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
