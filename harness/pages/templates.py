"""Jinja templates of pages. The style sheet that all pages include is beside this file."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.language import _, language_code, ngettext

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent / "templates"


def environment(folder: Path) -> "Environment":
    """The templates in `folder` and the style sheet (`style.css.jinja`), with autoescape, in the present language."""
    from jinja2 import Environment, FileSystemLoader

    made = Environment(loader=FileSystemLoader([folder, _FOLDER]), autoescape=True, extensions=["jinja2.ext.i18n"])
    made.install_gettext_callables(_, ngettext)  # type: ignore[attr-defined]  # of that extension
    made.globals["language_code"] = language_code
    return made
