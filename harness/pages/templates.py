"""Jinja templates of pages. The style sheet that all pages include is beside this file."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent / "templates"


def environment(folder: Path) -> "Environment":
    """The templates in `folder` and the style sheet (`style.css.jinja`), with autoescape."""
    from jinja2 import Environment, FileSystemLoader

    return Environment(loader=FileSystemLoader([folder, _FOLDER]), autoescape=True)
