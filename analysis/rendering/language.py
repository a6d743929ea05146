"""The languages of pages, English and Chinese: the catalogue in analysis/locale, fonts, widths, numbers of sections."""

import io
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from unicodedata import east_asian_width

import matplotlib as mpl
import typer
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from matplotlib import font_manager

from harness.core.language import Language, language_code, translated

_CODES: dict[Language, str] = {"en": "en", "zh": "zh-CN"}

_LOCALE = Path(__file__).parents[1] / "locale"
_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Microsoft YaHei",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Hiragino Sans GB", "Heiti SC", "SimHei", "Noto Sans CJK JP",
    "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip
_CHAPTERS = ("开篇", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十")  # as the lesson numbers them
_SECTION = re.compile(r"(\d+)(?:\.(\d+))?")
_NO_FONT = "no font with Chinese characters was found, so figures show symbols only: install Noto Sans CJK, for example"


@contextmanager
def spoken(language: Language) -> Iterator[None]:
    """Inside, pages and figures are in this language."""
    with ExitStack() as stack:
        if language != "en":
            stack.enter_context(translated(_catalogue(language), _CODES[language]))
            # matplotlib looks for a character in each family, and of a generic one takes the first font alone.
            stack.enter_context(mpl.rc_context({"font.family": [*mpl.rcParams["font.family"], *fonts()]}))
        yield


@contextmanager
def language_of_pages(language: Language, output_dir: Path) -> Iterator[Path]:
    """Inside, a command makes its pages in this language. Gives the folder for them, a subfolder unless in English.

    Says so in one line if figures lack a font for it.
    """
    with spoken(language):
        if language == "en":
            yield output_dir
            return
        if not fonts():
            typer.echo(f"warning: {_NO_FONT}")
        yield output_dir / language


def section_mark(section: str) -> str:
    """A section of the lesson as a page writes it: `§4.1`, in Chinese as the lesson numbers it, `四-1`."""
    return f"§{section}" if language_code() == "en" else _SECTION.sub(_chinese_section, section)


def _chinese_section(found: re.Match[str]) -> str:
    chapter, part = int(found[1]), found[2]
    if chapter >= len(_CHAPTERS):
        return found[0]
    return _CHAPTERS[chapter] if part is None else f"{_CHAPTERS[chapter]}-{part}"


def columns(text: str) -> int:
    """The width of a text in letters; a Chinese character is as wide as two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


@cache
def fonts() -> list[str]:
    """The first font with Chinese characters that this machine has, or []."""
    manager = font_manager.fontManager
    known = {font.fname for font in manager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known:  # installed after matplotlib wrote its list
            with suppress(RuntimeError):  # no font that matplotlib can read
                manager.addfont(path)
    names = set(manager.get_font_names())
    return [name for name in _FONTS if name in names][:1]


@cache
def _catalogue(language: Language) -> NullTranslations:
    compiled = io.BytesIO()
    with open(_LOCALE / f"{language}.po", "rb") as file:
        write_mo(compiled, read_po(file))
    compiled.seek(0)
    return GNUTranslations(compiled)
