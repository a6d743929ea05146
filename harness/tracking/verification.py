"""Verifies what was recorded of a claim or a study: by digests, and by training some of its runs again."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.cli.console import Console
from harness.core.errors import Stopped, UserError
from harness.storage.urls import without_password
from harness.tracking import schema
from harness.tracking.reader import ExperimentReader, TrackedRun, check_digest, parents_anywhere
from harness.tracking.replay import TRAINED, replay_run

_DIFFERENT = 1  # exit status
_NOT_TRAINED = {schema.DUPLICATE_OF, schema.RESTORED, schema.STUDY}  # runs with one of these tags


class Verified(NamedTuple):
    """The ended runs of a claim or a study: those that are `as_recorded`, those `before` digests, and what is `wrong`
    with the others."""

    as_recorded: list[TrackedRun]
    before: list[TrackedRun]
    wrong: list[str]


def verify(uri: str, name: str, replays: int, data_dir: Path | None) -> None:
    """Compare the runs of the claim or study called `name` with their digests, and `replays` random ones bit for bit.

    Raises `UserError` if nothing is called so, `Stopped` if a run differs.
    """
    console = Console()
    found = _find(uri, name)
    wrong: list[str] = []
    runs: list[TrackedRun] = []
    for experiment, parent in found:
        verified = _compare(ExperimentReader(uri, experiment), parent)
        count = len(verified.as_recorded) + len(verified.before) + len(verified.wrong)
        told = f"{parent.name} (run {parent.id}): {len(verified.as_recorded)} of {count} runs are as they were recorded"
        before = f", {len(verified.before)} were recorded before digests" if verified.before else ""
        console.print(told + before)
        for line in verified.wrong:
            console.print(line)
        wrong += verified.wrong
        runs += verified.as_recorded + verified.before
    console.print("a digest stops accidents, not forgers: whoever can change a number can write its digest too")
    can_replay = [run for run in runs if run.tags[schema.KIND] in TRAINED]
    can_replay = [run for run in can_replay if not _NOT_TRAINED & run.tags.keys()]
    can_replay = [run for run in can_replay if run.tags[schema.STATE] in ("complete", "pruned", "diverged")]
    for run in random.sample(can_replay, min(replays, len(can_replay))):
        console.print("")
        try:
            replay_run(uri, run.id, data_dir)
        except Stopped as stop:
            console.print(str(stop))
            wrong.append(str(stop))
    if wrong:
        differ = "1 run differs" if len(wrong) == 1 else f"{len(wrong)} runs differ"
        raise Stopped(f"{differ} from what was recorded", _DIFFERENT)


def _find(uri: str, name: str) -> list[tuple[str, TrackedRun]]:
    """The studies called `name`, and the replications of the claim called so, or of that file, with their searches."""
    name = Path(name).stem if name.endswith(".toml") else name
    studies, claims = parents_anywhere(uri, "study"), parents_anywhere(uri, "claim")
    found = [one for one in studies if one[1].name == name]
    replications = [one for one in claims if name in (one[1].name, one[1].params.get("claim"))]
    searches = _searches_of(uri, replications)
    found += replications + [one for one in studies if one[1].name in searches]
    if not found:
        known = [run.name for _, run in studies] + [run.params.get("claim", run.name) for _, run in claims]
        there = ", ".join(dict.fromkeys(known)) or "none"
        raise UserError(f"no claim or study in {without_password(uri)} is called {name!r}; there are: {there}")
    return found


def _searches_of(uri: str, replications: Sequence[tuple[str, TrackedRun]]) -> set[str]:
    """The names of the studies that are searches of these replications."""
    names = set()
    for experiment, parent in replications:
        runs = ExperimentReader(uri, experiment).children(parent.id, "arm")
        names |= {run.tags[schema.STUDY] for run in runs if schema.STUDY in run.tags}
    return names


def _compare(reader: ExperimentReader, parent: TrackedRun) -> Verified:
    verified = Verified([], [], [])
    for run in _ended(reader.children(parent.id)):
        if schema.DIGEST not in run.tags:
            verified.before.append(run)
            continue
        try:
            check_digest(run)
            for metric in run.metrics:
                reader.history(run, metric)
        except UserError as error:
            verified.wrong.append(str(error))
        else:
            verified.as_recorded.append(run)
    return verified


def _ended(runs: Sequence[TrackedRun]) -> list[TrackedRun]:
    return [run for run in runs if schema.STATE in run.tags]
