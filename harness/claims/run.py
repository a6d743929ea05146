"""Replicates claims: loads the data, makes the missing runs, prints what to do next."""

import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from harness.claims.arm import Arm
from harness.claims.claim import Claim
from harness.claims.replication import Replication
from harness.claims.searches import Searches
from harness.claims.task import SearchTask, Task
from harness.cli import command
from harness.cli.console import Console
from harness.cli.progress import Eta
from harness.cli.signals import stop_on_signals
from harness.core.config import RunConfig, Split
from harness.core.defaults import LESSON
from harness.core.errors import Stopped, UserError
from harness.data.choice import DataChoice
from harness.data.dataset import Dataset, batch_size_error, record_of, training_size
from harness.data.load import load
from harness.engines.choice import EngineOptions, device_of, make_engine, start_workers
from harness.reference.exact_checks import exact_checks
from harness.storage.checks import tracking_uri
from harness.studies.trial import StudyDefaults
from harness.tracking.recorder import Recorder
from harness.tracking.reports import log_exact
from harness.tracking.writer import ExperimentWriter
from harness.training.network_check import check_network
from harness.training.stacked.matmul_backend import choose_matmul_backend

if TYPE_CHECKING:
    from harness.engines.choice import Workers

_SOURCE = "harness.replicate"


def replicate_claims(
    claims: Sequence[Claim],
    options: EngineOptions,
    data_dir: Path | None,
    stack: bool,
    workers: "Workers",
    console: Console,
) -> None:
    """Make the missing runs of these claims, dataset by dataset: the first on `workers`, the others on new ones."""
    for claim in claims:
        if not claim.arms:
            console.print(f"{claim.name}: judged by published results, nothing is run")
    with_runs = [claim for claim in claims if claim.arms]
    pool: Workers | None = workers
    for data in dict.fromkeys(claim.data for claim in with_runs):
        group = [claim for claim in with_runs if claim.data == data]
        with closing(pool or start_workers(options)) as pool:
            _replicate_group(data, group, options, data_dir, stack, pool, console)
        pool = None


def check_exact_statements(console: Console) -> None:
    """Check the lesson's exact statements, which takes a second, and log them as a run of their own."""
    checks = exact_checks()
    log_exact(tracking_uri(), {check.name: (check.statement, check.value, check.bound) for check in checks})
    failed = [check.name for check in checks if not check.holds]
    console.print(
        f"exact statements: {len(checks) - len(failed)} of {len(checks)} hold" + f" ({failed})" * bool(failed)
    )


def _replicate_group(
    data: DataChoice,
    claims: Sequence[Claim],
    options: EngineOptions,
    data_dir: Path | None,
    stack: bool,
    workers: "Workers",
    console: Console,
) -> None:
    dataset = load(data, data_dir)
    console.print_reading(dataset.reading, dataset.warnings)
    for claim in claims:
        _check_batch_sizes(claim, dataset)
        _check_networks(claim, dataset)
    device = device_of(workers, options)
    engine = make_engine(workers, dataset, options, device, choose_matmul_backend(device) if stack else None)
    record, images = record_of(dataset), training_size(dataset, "lesson")
    replications = []
    for claim in claims:
        writer = ExperimentWriter(tracking_uri(), f"claims/{claim.name}", record, device, _SOURCE)
        replications.append(
            Replication(claim, images, Recorder(engine, writer, console), Searches(engine, writer, console, dataset))
        )
    tasks = [task for replication in replications for task in replication.missing()]
    what = f"{len(claims)} claims" if len(claims) > 1 else f"claim {claims[0].name}"
    console.print(f"{_counted(tasks)} to make for {what} on {workers.size} workers ({device}), {record.profile}")
    eta = Eta(sum(replications[0].cost(task) for task in tasks))

    def stop() -> None:
        for replication in replications:
            replication.stop()

    console.set_progress(0, len(tasks), "runs")
    with console, stop_on_signals(stop, console) as caught:
        for replication in replications:
            if not replication.is_finished() and not replication.stopped:
                replication.replicate(eta)
    _check_complete(replications, caught)
    names = " ".join(claim.name for claim in claims)
    specs = " ".join(shlex.quote(claim.spec) for claim in claims)
    moved = f" --dataset {shlex.quote(data.spec)}" if any(claim.moved for claim in claims) else ""
    quick = " --quick" if claims[0].quick else ""
    report = command.command_line("analysis.report", f"{specs}{moved}{quick}")
    console.print(f"complete: {names}; judge with: {report}", has_command=True)


def _check_complete(replications: Sequence[Replication], caught: list[int]) -> None:
    try:
        missing = sum(len(replication.missing()) for replication in replications)
    except Stopped:  # the store is unavailable
        if not caught:
            raise
        raise Stopped(f"stopped; resume with: {command.this_command()}", 128 + caught[0]) from None
    if caught:
        raise Stopped(
            f"stopped with {missing} runs or searches to go; resume with: {command.this_command()}", 128 + caught[0]
        )
    if missing:
        raise Stopped(f"{missing} runs failed; try them again with: {command.this_command()}", 1)


def _check_networks(claim: Claim, dataset: Dataset) -> None:
    """Try each network of the claim, with each of its hyperparameters, on one batch."""
    tried = {}
    for arm in (arm for arm in claim.arms.values() if arm.network):
        for config in _network_examples(claim, arm):
            tried[config.network, config.network_params, config.batch_size] = arm, config
    for arm, config in tried.values():
        try:
            check_network(config, dataset)
        except UserError as error:
            raise UserError(f"claim {claim.name!r}, arm {arm.name!r}: {error}") from None


def _counted(tasks: Sequence[Task | SearchTask]) -> str:
    """`32 runs`, `32 runs and 4 searches`."""
    searches = sum(isinstance(task, SearchTask) for task in tasks)
    runs = len(tasks) - searches
    parts = [f"{runs} runs"] * (runs > 0 or not searches) + [f"{searches} searches"] * (searches > 0)
    return " and ".join(parts)


def _network_examples(claim: Claim, arm: Arm) -> list[RunConfig]:
    if arm.search is None:
        return [claim.config(arm, claim.seeds.first, LESSON["lr"] if arm.tuned else None)]
    defaults = StudyDefaults(claim.seeds.first, claim.dataset, "float32", arm.network)
    return [defaults.config(params, "search") for params in arm.search.space.network_examples()]


def _check_batch_sizes(claim: Claim, dataset: Dataset) -> None:
    for arm in claim.arms.values():
        if arm.search and (complaint := batch_size_error(arm.search.space.largest_batch(), dataset, "search")):
            raise UserError(f"claim {claim.name!r}, arm {arm.name!r}, {arm.search.file.name}: {complaint}")
        if not arm.search and arm.fields.get("dataset") is None:
            split: Split = "search" if arm.tuned else arm.fields["split"]
            if complaint := batch_size_error(arm.fields["batch_size"], dataset, split):
                raise UserError(f"claim {claim.name!r}, arm {arm.name!r}: {complaint}")
