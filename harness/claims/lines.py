"""Where in a TOML text a field stands, for messages; the standard library's parser does not say."""

import re
from collections.abc import Sequence


def line_of(text: str, place: Sequence[str | int]) -> int:
    """The line (from 1) of a field such as ("arms", 2, "gamma"), or of its table where the field itself is missing."""
    names = [part for part in place if isinstance(part, str)]
    position = place[1] if len(place) > 1 and isinstance(place[1], int) else 0
    lines = text.splitlines()
    start = _header(lines, names[0], position) if names else None
    if start is None:
        return _key(lines, 0, names[0]) or 1 if names else 1
    if len(names) == 1:
        return start
    return _key(lines, start, names[1]) or start


def _header(lines: Sequence[str], table: str, position: int) -> int | None:
    found = [
        number
        for number, line in enumerate(lines, start=1)
        if re.match(rf"\s*\[\[?\s*{re.escape(table)}\s*\]\]?", line)
    ]
    return found[position] if position < len(found) else None


def _key(lines: Sequence[str], after: int, key: str) -> int | None:
    """The first line that sets `key` after this line and before the next table."""
    for number, line in enumerate(lines[after:], start=after + 1):
        if line.lstrip().startswith("["):
            return None
        if re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", line):
            return number
    return None
