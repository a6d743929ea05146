"""Messages about bad values: pydantic's errors in one line, and the nearest valid name."""

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_BOUNDS = {
    "greater_than": "should be greater than {gt:g}",
    "greater_than_equal": "should be greater than or equal to {ge:g}",
    "less_than": "should be less than {lt:g}",
    "less_than_equal": "should be less than or equal to {le:g}",
    "finite_number": "should be a finite number",
    "float_type": "should be a valid number",
    "int_type": "should be a valid integer",
    "bool_type": "should be a valid boolean",
    "string_type": "should be a valid string",
    "list_type": "should be a valid list",
    "dict_type": "should be a table, as {{ width = 4 }}",
    "literal_error": "should be {expected}",
}


_CLOSE = 0.65  # "iris" is not digits


def describe(name: str, error: "ErrorDetails") -> str:
    """`lr is -1: it should be greater than 0`, or the text of a validator's own ValueError."""
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "missing":
            return f"{name} is missing"
        case "too_short":
            return f"{name} has {context['actual_length']} values: it should have {context['min_length']} or more"
    bound = _BOUNDS.get(error["type"])
    return f"{name} is {error['input']!r}: it {bound.format(**context) if bound else error['msg']}"


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean momentum? `, or "" if no known name is close."""
    by_plain = {plain(one): one for one in known}
    close = difflib.get_close_matches(plain(name), by_plain, n=1, cutoff=_CLOSE)
    return f"did you mean {by_plain[close[0]]}? " if close else ""


def plain(name: str) -> str:
    """A name without what is forgiven when it is typed: capital letters, and - in place of _."""
    return name.strip().lower().replace("-", "_")


def named(name: str, known: Iterable[str]) -> str:
    """The known name that is meant; `name` itself if there is none."""
    return next((one for one in known if plain(one) == plain(name)), name)
