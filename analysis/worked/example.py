"""A worked example of the walkthrough: formulas, text, pictures, tables, and the checks that prove it."""

from typing import Any, NamedTuple

from analysis.rendering.files import environment
from analysis.rendering.section import Picture, Table
from analysis.rendering.shown import Check, as_shown, shown_picture


class WorkedExample(NamedTuple):
    """`formulas` are lines and `text` paragraphs of plain text; `interactive` is HTML, or "". `code`: the lesson's own
    few lines, rewritten so that they run today (a test runs them), or "".

    A notebook displays it as the page does.
    """

    section: str
    title: str
    formulas: list[str]
    text: list[str]
    pictures: list[Picture]
    tables: list[Table]
    checks: list[Check]
    interactive: str = ""
    code: str = ""

    def _repr_html_(self) -> str:
        return environment().get_template("worked_part.html.jinja").render(part=context(self))


def context(example: WorkedExample) -> dict[str, Any]:
    """An example for the templates, with its pictures and tables as they are shown."""
    pictures = [shown_picture(picture) for picture in example.pictures]
    return example._asdict() | {"tables": [as_shown(table) for table in example.tables], "pictures": pictures}


def check(statement: str, value: float, bound: float = 0.0) -> Check:
    """A statement that holds while `value` is at most `bound`."""
    return Check(statement, f"{value:.2g}", f"≤ {bound:.2g}", value <= bound)
