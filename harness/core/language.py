"""The language of pages and sentences. The source is in English; a gettext catalogue holds another language.

A text that people read is written as `_("{count} of {n} seeds").format(count=…, n=…)`. A constant is marked with `N_`
where it is defined, and given to `_` where it is shown.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from gettext import NullTranslations
from string import Formatter
from typing import Literal

Language = Literal["en", "zh"]

_catalogue = NullTranslations()
_code = "en"


def _(text: str) -> str:
    """The text in the present language; in English if the catalogue lacks it."""
    return _catalogue.gettext(text) if text else ""  # gettext gives a catalogue's header for ""


def ngettext(one: str, many: str, count: int) -> str:
    """`one` if `count` is 1, else `many`, in the present language."""
    return _catalogue.ngettext(one, many, count)


def language_code() -> str:
    """The present language, as HTML names it: `en`, `zh-CN`."""
    return _code


def N_(text: str) -> str:  # gettext's own name
    """The same text. Marks a constant that `_` translates later."""
    return text


def retold(text: str, templates: Iterable[str]) -> str:
    """A recorded English text in the present language, if one of these marked templates made it; else as it is."""
    for template in templates:
        parts = [(re.escape(before), name) for before, name, _form, _conversion in Formatter().parse(template)]
        pattern = "".join(f"{before}(?P<{name}>.+)" if name else before for before, name in parts)
        if found := re.fullmatch(pattern, text):
            return _(template).format(**found.groupdict())
    return text


@contextmanager
def translated(catalogue: NullTranslations, code: str) -> Iterator[None]:
    """Inside, `_` takes its texts from this catalogue, whose language is `code`."""
    global _catalogue, _code
    before = _catalogue, _code
    _catalogue, _code = catalogue, code
    try:
        yield
    finally:
        _catalogue, _code = before
