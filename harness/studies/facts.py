"""What was searched and how, as MLflow recorded it of a study's parent run."""

import json
from datetime import UTC, datetime
from typing import NamedTuple

from harness.core.errors import UserError
from harness.studies.importances import Importance
from harness.tracking.reader import TrackedRun
from harness.tracking.schema import (
    COMMAND,
    DATASET_SHA256,
    GIT_COMMIT,
    GIT_DIRTY,
    IMPORTANCES,
    SPACE,
    WARNINGS,
)


class StudyFacts(NamedTuple):
    """What was searched and how.

    Command, space, importances and warnings are empty in studies of an earlier version. `commit` is "" without git;
    `is_dirty`: whether there were changes that were not committed.
    `importances`: that of each parameter, largest first; {} if too few trials are complete. `warnings`: those of the
    search's own summary. `network` is the spec of the user's own network, or "".
    """

    seed: int
    day: str
    dataset: str
    dataset_sha256: str
    device: str
    commit: str
    is_dirty: bool
    command: str
    space: str
    importances: dict[str, Importance]
    warnings: list[str]
    sampler: str
    pruner: str
    network: str


def facts_of(parent: TrackedRun) -> StudyFacts:
    """The facts of the study of this parent run. Raises `UserError` if its tags were altered."""
    tags, params = parent.tags, parent.params
    try:
        shares = {name: Importance(*share) for name, share in json.loads(tags.get(IMPORTANCES, "{}")).items()}
        cautions = [str(sentence) for sentence in json.loads(tags.get(WARNINGS, "[]"))]
    except (ValueError, TypeError, AttributeError):
        raise UserError(
            f"run {parent.id} ({parent.name}): its tags {IMPORTANCES} and {WARNINGS} are not those that were recorded"
        ) from None
    return StudyFacts(
        int(params.get("seed", 0)),
        f"{datetime.fromtimestamp(parent.start_time / 1000, UTC):%Y-%m-%d}",
        params["dataset"],
        tags[DATASET_SHA256],
        params["device"],
        tags.get(GIT_COMMIT, ""),
        tags.get(GIT_DIRTY) == "true",
        tags.get(COMMAND, ""),
        tags.get(SPACE, ""),
        shares,
        cautions,
        params.get("sampler", "tpe"),  # an earlier version had no choice
        params.get("pruner", "median"),
        params.get("network", ""),
    )
