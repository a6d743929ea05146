"""Reads TOML with limits on nesting and on integers, which the standard library does not set."""

import tomllib
from typing import Any

_MAX_DEPTH = 20
_MAX_INTEGER = 2**63  # TOML's own bound; Python refuses to print much longer integers


def parse(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises `ValueError` with a one-line reason if it is not valid."""
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {_MAX_DEPTH} deep") from None
    _check(tables, 0)
    return tables


def _check(value: Any, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
    if isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
        raise ValueError("it has a whole number of more than 64 bits")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check(inner, depth + 1)
