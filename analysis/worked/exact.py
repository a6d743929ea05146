"""The exact statements of the lesson, as checks of the walkthrough's parts."""

import re
from functools import cache

from analysis.rendering.shown import Check
from analysis.worked.example import check
from harness.core.language import _
from harness.reference.exact_checks import ExactCheck, exact_checks

_SECTION = re.compile(r"^[^:：]*[:：]\s*")  # "§2.2, §5.4: "


def exact(*names: str) -> list[Check]:
    """The statements of these names, without their sections, which the parts have."""
    found = _statements()
    return [check(_SECTION.sub("", _(found[name].statement)), found[name].value, found[name].bound) for name in names]


@cache
def _statements() -> dict[str, ExactCheck]:
    return {one.name: one for one in exact_checks()}
