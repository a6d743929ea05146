"""What made a run: the command, the person, versions and processor, the commit."""

import getpass
import subprocess
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE, MLFLOW_USER

from harness.tracking.environment import environment
from harness.tracking.reader import ENVIRONMENT, GIT_COMMIT, GIT_DIRTY

_PROJECT = Path(__file__).parents[2]


def source_tags(source: str) -> dict[str, str]:
    """What every run says of what made it: the command, the user, versions, the commit and whether it was changed."""
    tags = {f"{ENVIRONMENT}{name}": value for name, value in environment().items()}
    tags |= {MLFLOW_SOURCE_NAME: f"python -m {source}", MLFLOW_SOURCE_TYPE: "LOCAL", MLFLOW_USER: getpass.getuser()}
    commit = _git("rev-parse", "HEAD")
    if commit:
        dirty = "true" if _git("status", "--porcelain") else "false"
        tags |= {GIT_COMMIT: commit, GIT_DIRTY: dirty, MLFLOW_GIT_COMMIT: commit}
    return tags


def _git(*arguments: str) -> str:
    """What git prints in the project's folder, or "" where there is no git, no repository or no commit."""
    try:
        done = subprocess.run(["git", "-C", str(_PROJECT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
