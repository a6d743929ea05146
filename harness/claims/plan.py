"""What replicating a claim would take and could show, before anything runs: runs, time, disk, smallest p, power."""

import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from harness.claims.arm import Arm
from harness.claims.claim import Claim, parent_name
from harness.claims.missing import missing_tasks
from harness.claims.power import LEVEL, power, smallest_p
from harness.claims.task import SearchTask, Task
from harness.cli.command import command_line
from harness.cli.console import Console
from harness.core.errors import UserError
from harness.data.choice import TRAINING_EXAMPLES
from harness.data.dataset import training_size
from harness.data.load import load
from harness.engines.cost import cost
from harness.tracking.reader import ExperimentReader, TrackedRun, config_of, parents_anywhere
from harness.tracking.schema import EFFECT_SIZE, TRAINING_SECONDS

_ENOUGH_POWER = 0.8
# Measured on the runs of a quick replication of `momentum` on two cores of an Intel Xeon, 2026-11-27.
_IMAGES_PER_SECOND, _BYTES_PER_RUN = 260_000.0, 71_000
_RUNS_TO_TIME = 200


class Pace(NamedTuple):
    """How many images a worker trains per second, and the number of recorded runs that say so (0: another machine)."""

    images_per_second: float
    runs: int


def print_plans(claims: Sequence[Claim], uri: str, data_dir: Path | None, workers: int, console: Console) -> None:
    """Print the plan of each claim. Makes no run."""
    images: dict[object, int] = {}
    for claim in claims:
        if not claim.arms:
            console.print(f"{claim.name}: judged by published results, nothing is run")
            continue
        if claim.data not in images:
            images[claim.data] = training_size(load(claim.data, data_dir), "lesson")
        _print_plan(claim, uri, images[claim.data], workers, console)


def list_claims(claims: Sequence[Claim], workers: int, console: Console) -> None:
    """Print a table of claims: title, runs, time by cores of an Intel Xeon, and the training rows that they need."""
    rows = []
    for claim in claims:
        tasks, examples = missing_tasks(claim, []), TRAINING_EXAMPLES.get(claim.dataset)
        has_network = any(arm.network for arm in claim.arms.values())
        images = sum(task.cost(examples) for task in tasks) if examples and not has_network else 0
        time = _minutes(images / _IMAGES_PER_SECOND / workers) if images else "-"
        needed = max(map(_rows_needed, claim.arms.values()), default=0)
        rows.append(
            (claim.name, claim.title, f"{sum(task.runs for task in tasks):,}", time, f"{needed:,}" if needed else "-")
        )
    console.print_table(("claim", "title", "runs", "time", "rows"), rows)
    console.print("")
    console.print(f"time: about, on {workers} workers as fast as a core of an Intel Xeon; --quick makes fewer runs")
    there = ", ".join(f"{name} {count:,}" for name, count in TRAINING_EXAMPLES.items())
    console.print(f"rows: a claim needs about as many training rows; the data have {there}")


def _rows_needed(arm: Arm) -> int:
    """The training rows that fill a batch, of which a sixth may be set aside for validation; 0 for a toy."""
    if arm.fields.get("dataset") is not None:
        return 0
    batch: int = arm.search.space.largest_batch() if arm.search else arm.fields["batch_size"]
    return math.ceil(batch * 6 / 5) if arm.search or arm.tuned or arm.fields["split"] == "search" else batch


def cannot_differ(claim: Claim) -> list[str]:
    """A sentence for each estimand that compares arms of the same settings, which are equal under every seed."""
    sentences = []
    for estimand in claim.estimands:
        arms = [claim.arms[name] for name in claim.arm_names(estimand.arms)]
        for one, other in combinations(arms, 2):
            if dict(one.fields) == dict(other.fields) and one.tuned == other.tuned:
                same = f"{one.name!r} and {other.name!r} have the same settings"
                sentences.append(f"{estimand.name} cannot come out either way: {same}")
    return sentences


def _print_plan(claim: Claim, uri: str, images: int, workers: int, console: Console) -> None:
    children = _children(claim, uri)
    todo, whole = missing_tasks(claim, children), missing_tasks(claim, [])
    pace = _pace(claim, uri, images)
    seconds = sum(task.cost(images) for task in todo) / pace.images_per_second / workers
    source = (
        f"by {pace.runs} runs recorded here" if pace.runs else "no run is recorded here: by a core of an Intel Xeon"
    )
    time = f"about {_minutes(seconds)} on {workers} workers ({source})"
    if not pace.runs and any(arm.network for arm in claim.arms.values()):
        time = "not known: no run of its networks is recorded here"
    pairs = min(arm.seeds for arm in claim.arms.values())
    console.print("")
    console.print(f"{claim.name}: {claim.title}")
    fields = {
        "runs": f"{_count(whole)}; {len(whole) - len(todo)} are recorded, {len(todo)} to make",
        "time": time,
        "disk": f"about {sum(task.runs for task in todo) * _BYTES_PER_RUN / 1e6:.0f} MB",
        "smallest p": f"{smallest_p(pairs):.2g} with {pairs} seeds{_too_few(pairs)}",
    }
    sizes = _effect_sizes(claim, uri)
    for estimand in claim.estimands:
        if estimand.name in sizes:
            reached = power(sizes[estimand.name], pairs)
            short = "" if reached >= _ENOUGH_POWER else f": below {_ENOUGH_POWER:.0%}, so it may well stay inconclusive"
            fields[f"power of {estimand.name}"] = f"{reached:.0%} for the smallest effect that matters{short}"
    if not sizes:
        fields["power"] = f"unknown until a report was logged, also of --quick runs: {command_line('analysis.report')}"
    console.print_fields(fields)
    for sentence in cannot_differ(claim):
        console.warn(sentence)


def _count(tasks: Sequence[Task | SearchTask]) -> str:
    searches = [task for task in tasks if isinstance(task, SearchTask)]
    tuning = sum(task.kind == "tuning" for task in tasks)
    counts = {"to judge": len(tasks) - tuning - len(searches), "to tune": tuning}
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    if searches:
        parts.append(
            f"{len(searches)} searches, each of about {round(sum(s.runs for s in searches) / len(searches))} runs"
        )
    return " and ".join(parts)


def _too_few(pairs: int) -> str:
    return f": no verdict can be significant at {LEVEL}" if smallest_p(pairs) >= LEVEL else ""


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _children(claim: Claim, uri: str) -> list[TrackedRun]:
    try:
        reader = ExperimentReader(uri, f"claims/{claim.name}")
    except UserError:  # nothing is recorded yet
        return []
    return [run for parent in reader.parents("claim", parent_name(claim)) for run in reader.children(parent.id)]


def _pace(claim: Claim, uri: str, images: int) -> Pace:
    """From the newest runs of claims on the same data, with the same networks; the rate is that of one worker."""
    networks = {str(arm.network or "") for arm in claim.arms.values()}
    done: list[TrackedRun] = []
    try:
        for experiment, parent in parents_anywhere(uri, "claim"):
            if len(done) < _RUNS_TO_TIME:
                reader = ExperimentReader(uri, experiment)
                timed = [run for run in reader.children(parent.id, "arm") if TRAINING_SECONDS in run.metrics]
                done += [
                    run
                    for run in timed
                    if run.params.get("dataset") == claim.dataset and run.params.get("network", "") in networks
                ]
        costs = [cost(config_of(run), images) for run in done]
    except UserError:  # nothing is recorded yet, or a record was altered
        done = []
    seconds = sum(run.metrics[TRAINING_SECONDS] for run in done)
    if not seconds:
        return Pace(_IMAGES_PER_SECOND, 0)
    return Pace(sum(costs) / seconds, len(done))


def _effect_sizes(claim: Claim, uri: str) -> dict[str, float]:
    """The smallest effect that matters over the sd of the differences, by estimand, as the newest report found it."""
    try:
        reports = ExperimentReader(uri, "reports").parents("report")
    except UserError:  # nothing is recorded yet
        return {}
    prefix = f"{EFFECT_SIZE}.{claim.name}."
    for report in reports:
        found = {tag.removeprefix(prefix): float(value) for tag, value in report.tags.items() if tag.startswith(prefix)}
        if found:
            return {name: size for name, size in found.items() if math.isfinite(size)}
    return {}
