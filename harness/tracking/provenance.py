"""What made a run: the command, the user, library versions, the processor and the commit."""

import getpass
import subprocess

from harness.core.paths import ROOT, is_checkout
from harness.tracking import schema
from harness.tracking.environment import environment


def source_tags(source: str) -> dict[str, str]:
    """The tags that say what made a run. `source` is the module of the command."""
    tags = {f"{schema.ENVIRONMENT}{name}": value for name, value in environment().items()}
    tags |= {schema.SOURCE_NAME: f"python -m {source}", schema.SOURCE_TYPE: "LOCAL", schema.USER: getpass.getuser()}
    commit = _git("rev-parse", "HEAD") if is_checkout() else ""
    if commit:
        dirty = "true" if _git("status", "--porcelain") else "false"
        tags |= {schema.GIT_COMMIT: commit, schema.GIT_DIRTY: dirty, schema.MLFLOW_GIT_COMMIT: commit}
    return tags


def _git(*arguments: str) -> str:
    """What git prints in the project's folder, or "" without git, a repository or a commit."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
