"""What is wrong in a claim file, as one line, and the line of the file that it is about."""

import re
from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.core.validation import describe

# What the messages call pydantic's types.
_TYPES = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "a name",
    "list[float]": "a list of numbers",
    "list[str]": "a list of names",
    "list[int]": "a list of whole numbers",
    "list[bool]": "a list of true and false",
    "literal['tuned']": '"tuned"',
    "literal['tpe','random','qmc','gp','cmaes','grid']": "a sampler",
    "literal['median','none']": "a pruner",
}


def complaint(error: ValidationError, fields: Mapping[str, Sequence[str]]) -> tuple[str, tuple[str | int, ...]]:
    """The message, and the place in the file that it is about.

    `fields` are the valid fields of each table of a claim file; "" stands for the file itself.
    """
    errors = error.errors()
    # A misspelt field is also a missing one; the misspelling says more.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    place = first["loc"] if first["type"] == "extra_forbidden" else _place(first)
    name = ".".join(part for part in place if isinstance(part, str))
    message = _message(first, name, [one for one in errors if _place(one) == place], fields)
    return message, (*place, *_field_named(message, place, fields))


def line_of(text: str, place: Sequence[str | int]) -> int:
    """The line (from 1) of a field such as ("arms", 2, "gamma"), or of its table if the field is missing.

    The standard library's TOML parser does not report lines.
    """
    names = [part for part in place if isinstance(part, str)]
    position = place[1] if len(place) > 1 and isinstance(place[1], int) else 0
    lines = text.splitlines()
    start = _table_line(lines, names[0], position) if names else None
    if start is None:
        return _field_line(lines, 0, names[0]) or 1 if names else 1
    if len(names) == 1:
        return start
    return _field_line(lines, start, names[1]) or start


def _field_named(message: str, place: Sequence[str | int], fields: Mapping[str, Sequence[str]]) -> list[str]:
    """The field that a message about a whole table names first: `estimands: at is 9, …`."""
    tables = [part for part in place if isinstance(part, str)]
    if len(tables) != 1 or tables[0] not in fields:
        return []
    named = re.match(r"(?:\w+: )?(\w+) ", message)
    return [named[1]] if named and named[1] in fields[tables[0]] else []


def _place(error: ErrorDetails) -> tuple[str | int, ...]:
    return tuple(part for part in error["loc"] if part not in _TYPES)


def _message(first: ErrorDetails, name: str, same: list[ErrorDetails], fields: Mapping[str, Sequence[str]]) -> str:
    match first["type"]:
        case "value_error":
            return f"{name}: {describe(name, first)}"
        case "extra_forbidden":
            table = str(first["loc"][0]) if len(first["loc"]) > 1 else ""
            return f"{name} is not a field of a claim file; there are {', '.join(fields[table])}"
    types = [_TYPES[part] for one in same for part in one["loc"] if isinstance(part, str) and part in _TYPES]
    if len(types) > 1:
        return f"{name} is {first['input']!r}: it should be {' or '.join(dict.fromkeys(types))}"
    return describe(name, first)


def _table_line(lines: Sequence[str], table: str, position: int) -> int | None:
    found = [
        number
        for number, line in enumerate(lines, start=1)
        if re.match(rf"\s*\[\[?\s*{re.escape(table)}\s*\]\]?", line)
    ]
    return found[position] if position < len(found) else None


def _field_line(lines: Sequence[str], after: int, field: str) -> int | None:
    """The first line that sets `field` after this line and before the next table."""
    for number, line in enumerate(lines[after:], start=after + 1):
        if line.lstrip().startswith("["):
            return None
        if re.match(rf"\s*\"?{re.escape(field)}\"?\s*=", line):
            return number
    return None
