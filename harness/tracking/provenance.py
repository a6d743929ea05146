"""What made a run: the command, the user, library versions, the processor and the commit."""

import getpass
import subprocess

from harness.core.paths import ROOT, is_checkout
from harness.tracking.environment import environment
from harness.tracking.schema import (
    ENVIRONMENT,
    GIT_COMMIT,
    GIT_DIRTY,
    MLFLOW_GIT_COMMIT,
    SOURCE_NAME,
    SOURCE_TYPE,
    USER,
)


def source_tags(source: str) -> dict[str, str]:
    """The tags that say what made a run. `source` is the module of the command."""
    tags = {f"{ENVIRONMENT}{name}": value for name, value in environment().items()}
    tags |= {SOURCE_NAME: f"python -m {source}", SOURCE_TYPE: "LOCAL", USER: getpass.getuser()}
    commit = _git("rev-parse", "HEAD") if is_checkout() else ""
    if commit:
        dirty = "true" if _git("status", "--porcelain") else "false"
        tags |= {GIT_COMMIT: commit, GIT_DIRTY: dirty, MLFLOW_GIT_COMMIT: commit}
    return tags


def _git(*arguments: str) -> str:
    """What git prints in the project's folder, or "" without git, a repository or a commit."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
