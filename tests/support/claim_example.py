"""The claim that docs/claims.md walks through."""

import re

from support.paths import PROJECT


def example() -> str:
    """The claim that docs/claims.md walks through."""
    (block,) = re.findall(r"```toml\n(.*?)```", (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8"), re.DOTALL)
    return block
