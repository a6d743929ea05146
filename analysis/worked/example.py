"""A worked example of the walkthrough as it is shown: formula, words, pictures, numbers, the checks that prove it."""

from typing import Any, NamedTuple

from analysis.rendering.page import Check, as_shown, environment, inline, png_of
from analysis.rendering.section import Picture, Table


class Part(NamedTuple):
    """`formulas` and `words` are plain text, a line and a paragraph each; `interactive` is HTML of its own, or "".

    A notebook shows it as the page does.
    """

    section: str
    title: str
    formulas: list[str]
    words: list[str]
    pictures: list[Picture]
    tables: list[Table]
    checks: list[Check]
    interactive: str = ""

    def _repr_html_(self) -> str:
        return environment().get_template("worked_part.html.jinja").render(part=context(self))


def context(part: Part) -> dict[str, Any]:
    """A part as the templates take it; its pictures as PNG too."""
    pngs = {picture: png_of(picture) for picture in part.pictures}
    pictures = [
        {"name": one.name, "caption": one.caption, "png": png, "data": inline(png)} for one, png in pngs.items()
    ]
    return part._asdict() | {"tables": [as_shown(table) for table in part.tables], "pictures": pictures}


def check(statement: str, value: float, bound: float = 0.0) -> Check:
    """A statement that holds while `value` is at most `bound`."""
    return Check(statement, f"{value:.2g}", f"≤ {bound:.2g}", value <= bound)
