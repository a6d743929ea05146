"""Reads an arm's run that stands for a whole search."""

from typing import Any

from harness.claims.search_arm import PARAMS, identity
from harness.core.errors import UserError
from harness.tracking.reader import TrackedRun, check_digest
from harness.tracking.schema import CONFIG_HASH, STUDY


def is_search(run: TrackedRun) -> bool:
    """Whether an arm's run stands for a whole search."""
    return STUDY in run.tags


def recorded_search(run: TrackedRun) -> dict[str, Any]:
    """What a search's run says of it: its params. Raises `UserError` if its records were altered."""
    check_digest(run)
    if identity(run.params) != run.tags[CONFIG_HASH]:
        raise UserError(
            f"run {run.id} ({run.name}): its params are not those that it was run with; its records were altered"
        )
    params: dict[str, Any] = {name: run.params[name] for name in PARAMS if name in run.params}
    return params | {"seed": int(params["seed"]), "trials": int(params["trials"])}
