"""The languages of pages: English, and Chinese by the catalogue in analysis/locale. Figures need a font for it."""

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

import matplotlib as mpl
import typer
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from matplotlib import font_manager

from harness.core.language import Language, translated

_CODES: dict[Language, str] = {"en": "en", "zh": "zh-CN"}

_LOCALE = Path(__file__).parents[1] / "locale"
_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Microsoft YaHei",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Hiragino Sans GB", "Heiti SC", "SimHei", "Noto Sans CJK JP",
    "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip
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
