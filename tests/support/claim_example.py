"""The claim that docs/claims.md walks through."""

import re

from support.paths import PROJECT


def example() -> str:
    """The claim that docs/claims.md walks through."""
    page = (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8")
    return re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0]
