"""Where the project's own files are. They lie beside the packages, in a checkout and in an installed wheel alike."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
CLAIMS = EXPERIMENTS / "claims"
DEFAULT_SPACE = EXPERIMENTS / "search.toml"
EXAMPLES = ROOT / "examples"
CLAIM_TEMPLATE = EXPERIMENTS / "claim_template.toml"


def is_checkout() -> bool:
    """Whether this is a checkout of the project. An installed wheel may lie inside somebody else's repository."""
    return (ROOT / "pyproject.toml").is_file() and (ROOT / ".git").exists()
