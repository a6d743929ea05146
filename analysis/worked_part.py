"""A worked example of the walkthrough as it is shown: formula, words, pictures, numbers, the checks that prove it."""

from typing import NamedTuple

from analysis.page import Check
from analysis.section import Picture, Table


class Part(NamedTuple):
    """`formulas` and `words` are plain text, a line and a paragraph each; `interactive` is HTML of its own, or ""."""

    section: str
    title: str
    formulas: list[str]
    words: list[str]
    pictures: list[Picture]
    tables: list[Table]
    checks: list[Check]
    interactive: str = ""


def check(statement: str, value: float, bound: float = 0.0) -> Check:
    """A statement that holds while `value` is at most `bound`."""
    return Check(statement, f"{value:.2g}", f"≤ {bound:.2g}", value <= bound)
