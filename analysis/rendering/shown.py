"""Pictures, tables and checks as the templates show them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from analysis.rendering.files import drawn, inline
from analysis.rendering.section import Picture, Table

_MINUS = re.compile(r"(?<![\w.])-(?=[\d.])")


class Check(NamedTuple):
    """An exact statement of the lesson: the number found, its bound, and whether the bound holds."""

    statement: str
    value: str
    bound: str
    holds: bool


def shown_picture(picture: Picture) -> dict[str, Any]:
    """A picture for the templates: its caption, and each panel as a data URL, with the path and content of its file."""
    pngs = {f"figures/{stem}.png": drawn(figure, "png") for stem, figure in picture.files.items()}
    panels = [{"path": path, "png": png, "data": inline(png)} for path, png in pngs.items()]
    return {"caption": picture.caption, "panels": panels}


def png_files(pictures: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """The files of pictures that are as `shown_picture` gives them."""
    return {panel["path"]: panel["png"] for picture in pictures for panel in picture["panels"]}


def as_shown(table: Table) -> dict[str, Any]:
    """A table for the templates, with a true minus sign before numbers."""
    rows = [[_MINUS.sub("−", str(cell)) for cell in row] for row in table.frame.to_numpy().tolist()]
    return {"caption": table.caption, "columns": list(table.frame.columns), "rows": rows}
