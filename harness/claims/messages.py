"""What pydantic found wrong in a claim file, as one line that names the field, the value, the bound and the remedy."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

# How a type of pydantic's is called in a file for people.
_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "list[float]": "a list of numbers",
    "list[int]": "a list of whole numbers",
    "list[bool]": "a list of true and false",
    "literal['tuned']": '"tuned"',
}


def complaint(error: ValidationError, fields: Mapping[str, Sequence[str]]) -> tuple[str, tuple[str | int, ...]]:
    """The line to show, and the place in the file that it is about.

    fields: for each table of a claim file, and for "" the file itself, the fields that it may have.
    """
    found = error.errors()
    # A misspelt field is also a missing one; the misspelling tells more.
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    place = first["loc"] if first["type"] == "extra_forbidden" else _place(first)
    name = ".".join(part for part in place if isinstance(part, str))
    return _text(first, name, [one for one in found if _is_of(one, place)], fields), place


def _is_of(one: ErrorDetails, place: Sequence[str | int]) -> bool:
    return _place(one) == tuple(place)


def _place(one: ErrorDetails) -> tuple[str | int, ...]:
    return tuple(part for part in one["loc"] if part not in _KINDS)


def _text(first: ErrorDetails, name: str, same: list[ErrorDetails], fields: Mapping[str, Sequence[str]]) -> str:
    match first["type"]:
        case "value_error":
            return f"{name}: {first['ctx']['error']}"
        case "missing":
            return f"{name} is missing"
        case "extra_forbidden":
            table = str(first["loc"][0]) if len(first["loc"]) > 1 else ""
            return f"{name} is not a field of a claim file; there are {', '.join(fields[table])}"
        case "too_short":
            limits = first["ctx"]
            return f"{name} has {limits['actual_length']} values: it should have {limits['min_length']} or more"
    kinds = [_KINDS[kind] for one in same if (kind := _kind(one)) is not None]
    if len(kinds) > 1:
        return f"{name} is {first['input']!r}: it should be {' or '.join(dict.fromkeys(kinds))}"
    return f"{name} is {first['input']!r}: it {first['msg'].removeprefix('Input ')}"


def _kind(one: ErrorDetails) -> str | None:
    return next((part for part in one["loc"] if isinstance(part, str) and part in _KINDS), None)
