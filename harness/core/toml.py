"""Reads TOML as both kinds of experiment files are read: what the standard library lets through is bounded here too."""

import tomllib
from typing import Any

_DEEPEST = 20
_LARGEST = 2**63  # TOML's own bound; longer whole numbers cannot even be printed


def parse(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises `ValueError` with one line that says why it is none."""
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {_DEEPEST} deep") from None
    _check(tables, 0)
    return tables


def _check(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"it is nested more than {_DEEPEST} deep")
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ValueError("it has a whole number of more than 64 bits")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check(inner, depth + 1)
