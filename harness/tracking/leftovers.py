"""Sends to MLflow what dead processes left in their spool files."""

import logging
from collections import Counter
from pathlib import Path

from harness.tracking import settings  # noqa: F401  # before MLflow is imported

# isort: split
from mlflow.exceptions import MlflowException

from harness.core.errors import REMEDY, Stopped
from harness.tracking.delivery import RunDeletedError, Sender
from harness.tracking.retry import RetryingClient
from harness.tracking.spool_file import recover

_log = logging.getLogger("harness")


def deliver_left(uri: str, folder: Path, pattern: str) -> None:
    """Send the operations in the spool files of `folder` that match `pattern` to the store at `uri`; delete the files.

    Operations of runs that were deleted in MLflow are counted and left out. Raises `Stopped` if MLflow refuses another
    one; then its file stays.
    """
    sender = Sender(RetryingClient(uri))
    for path in sorted(folder.glob(pattern)):
        with recover(path) as operations:
            if operations:
                _log.warning("%d records that a process left in %s are written to MLflow now", len(operations), path)
            left_out: Counter[str] = Counter()
            for operation in operations:
                try:
                    sender.send(operation, may_exist=True)
                except RunDeletedError as error:
                    left_out[str(error)] += 1
                except MlflowException as error:
                    why = " ".join(str(error).split())[:300]
                    raise Stopped(f"the records in {path} are refused by MLflow ({why}); {REMEDY}", 1) from None
            for why, count in left_out.items():
                _log.warning("%d of them are left out: %s", count, why)
