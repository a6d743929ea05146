"""What every page is made with: the templates, figures as files, and writing it all to disk."""

import base64
import io
import re
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from jinja2 import Environment
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from analysis.rendering.language import fonts, section_mark
from harness.core.errors import UserError
from harness.core.files import write_atomically
from harness.pages import templates

_DPI = 120
_COLOURS = 256
_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+")  # characters and their punctuation
_REFERENCE = re.compile(r"arXiv:(\d{4}\.\d{4,5})|https?://[^\s,;)]+")


def write_files(out: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files (relative path → content) below `out`; their paths. Raises `UserError` if that is not possible."""
    paths = [out / name for name in files]
    try:
        for path, content in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
    except OSError as error:
        raise UserError(
            f"cannot write the page to {out} ({error.strerror}); choose a folder with --output-dir"
        ) from None
    return paths


def environment() -> Environment:
    """The templates of this folder, with the filters `linked` and `cell`, and `section_mark`."""
    made = templates.environment(Path(__file__).parent / "templates")
    made.filters["linked"] = _linked
    made.globals["section_mark"] = section_mark
    made.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return made


def _linked(text: str) -> Markup:
    """The text as HTML, with links for `arXiv:1812.06162` and addresses."""
    parts = []
    last = 0
    for found in _REFERENCE.finditer(text):
        address = found[0] if found[1] is None else f"https://arxiv.org/abs/{found[1]}"
        parts += [escape(text[last : found.start()]), Markup('<a href="{}">{}</a>').format(address, found[0])]
        last = found.end()
    return Markup("").join([*parts, escape(text[last:])])


def drawn(figure: Figure, kind: str) -> bytes:
    """A figure as a file of this kind: png (with a palette, a third as large), svg (its text as text), pdf.

    Without a font for Chinese characters, symbols are what is left of its text.
    """
    if not fonts():
        for text in figure.findobj(Text):
            text.set_text(_CHINESE.sub("", text.get_text()).strip())
    buffer, palette = io.BytesIO(), io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format=kind, dpi=_DPI)
    if kind != "png":
        return buffer.getvalue()
    image = Image.open(buffer).convert("RGB")
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(palette, "png", optimize=True, dpi=(_DPI, _DPI))
    return palette.getvalue()


def inline(picture: bytes, kind: str = "png") -> str:
    """A PNG file, or one of another kind of image, as a data URL."""
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode()
