"""`python -m harness.replicate CLAIM…`: make the runs that a claim is judged by, every one of them in MLflow.

Only puts the parts together. Everything slow is imported after the arguments and the claim files have been checked.
"""

import shlex
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import command
from harness.cli.options import (
    Cohort,
    DataDir,
    Debug,
    Device,
    Engine,
    GpusPerRun,
    OtherDataName,
    RayAddress,
    Target,
    Workers,
)
from harness.core.defaults import Switch
from harness.core.errors import Stopped, UserError
from harness.data.choice import DataChoice, data_choice
from harness.engines.choice import Where, device_of, engine_on, workers_at
from harness.storage.checks import check_tracking, tracking_uri

if TYPE_CHECKING:
    from harness.claims.claim import Claim
    from harness.claims.replication import Replication
    from harness.cli.console import Screen
    from harness.data.dataset import Dataset
    from harness.engines.cluster import Cluster
    from harness.engines.pool import Pool

_SOURCE = "harness.replicate"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    claims: Annotated[list[str] | None, typer.Argument(help="Claims, by name or by path.", show_default=False)] = None,
    all: Annotated[bool, typer.Option("--all", help="Every claim, and the exact statements.")] = False,
    seeds: Annotated[int | None, typer.Option(help="Seeds of each arm.", show_default="the claim's")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="3 seeds, shorter runs: to look, not to judge.")] = False,
    workers: Workers = None,
    dataset: OtherDataName = None,
    target: Target = "",
    data_dir: DataDir = None,
    device: Device = "auto",
    engine: Engine = "local",
    ray_address: RayAddress = "",
    gpus_per_run: GpusPerRun = 0.0,
    cohort: Cohort = "on",
    debug: Debug = False,
) -> None:
    """Run what is missing of the design of one claim, of several, or of --all, and nothing else.

    The same command again resumes, or says that nothing is left. python -m analysis.report judges what was run.
    """
    with command.one_line_endings(debug):
        where = Where(engine, workers, ray_address, gpus_per_run, device)
        _check(claims, all, seeds, quick)
        where.check()
        check_tracking(tracking_uri())
        chosen = _on(_read(claims, seeds, quick), dataset, target)
        _replicate(chosen, where, data_dir, cohort)
        if all:
            _exact_statements()


def _check(claims: list[str] | None, all: bool, seeds: int | None, quick: bool) -> None:
    if claims and all:
        raise UserError(f"--all and {claims[0]!r}: name claims or say --all, not both")
    if not claims and not all:
        from harness.claims.file import claim_files

        raise UserError(f"name the claims to replicate, or --all; there are {', '.join(p.stem for p in claim_files())}")
    if seeds is not None and seeds < 2:
        raise UserError(f"--seeds is {seeds}: it should be at least 2")
    if seeds is not None and quick:
        raise UserError("--seeds and --quick: --quick has a number of seeds of its own; give one of them")


def _read(claims: list[str] | None, seeds: int | None, quick: bool) -> "list[Claim]":
    from harness.claims.file import claim_files, find_claim, read_claim

    paths = [find_claim(wish) for wish in claims] if claims else claim_files()
    read = [read_claim(path) for path in dict.fromkeys(paths)]
    if quick:
        return [claim.quickened() for claim in read]
    return [claim.with_seeds(seeds) for claim in read] if seeds else read


def _on(claims: "list[Claim]", dataset: str | None, target: str) -> "list[Claim]":
    if dataset is None and target:
        raise UserError(f"--target is {target!r}: it needs --dataset csv:PATH")
    if dataset == "auto":
        raise UserError("--dataset is 'auto': a replication names its data")
    return claims if dataset is None else [claim.on(data_choice(dataset, target)) for claim in claims]


def _replicate(claims: "list[Claim]", where: Where, data_dir: Path | None, cohort: Switch) -> None:
    from harness.cli.console import Screen

    screen = Screen()
    with_runs = [claim for claim in claims if claim.arms]
    for claim in claims:
        if not claim.arms:
            screen.say(f"{claim.name}: judged by published results, nothing is run")
    screen.say("loading torch and the data ...")

    for wanted in dict.fromkeys(claim.data for claim in with_runs):
        group = [claim for claim in with_runs if claim.data == wanted]
        with closing(workers_at(where)) as workers:
            _replicate_on(wanted, group, screen, workers, where, data_dir, cohort)


def _replicate_on(
    wanted: DataChoice,
    claims: "list[Claim]",
    screen: "Screen",
    workers: "Pool | Cluster",
    where: Where,
    data_dir: Path | None,
    cohort: Switch,
) -> None:
    from harness.claims.replication import Replication
    from harness.cli.progress import Clock
    from harness.cli.signals import stop_on_signals
    from harness.data.dataset import record_of, training_size
    from harness.data.load import load
    from harness.tracking.writer import Tracking
    from harness.training.stacked.matmul_backend import choose_library

    dataset = load(wanted, data_dir)
    for claim in claims:
        _check_batches(claim, dataset)
    device = device_of(workers, where)
    engine = engine_on(workers, dataset, where, device, choose_library(device) if cohort == "on" else None)
    record = record_of(dataset)
    replications = [
        Replication(
            claim,
            training_size(dataset, "lesson"),
            engine,
            Tracking(tracking_uri(), f"claims/{claim.name}", record, device, _SOURCE),
            screen,
        )
        for claim in claims
    ]
    missing = [replication.missing() for replication in replications]
    tasks = [task for tasks in missing for task in tasks]
    work = sum(replications[0].work(task) for task in tasks)
    what = f"{len(claims)} claims" if len(claims) > 1 else f"claim {claims[0].name}"
    screen.say(f"{len(tasks)} runs to make for {what} on {workers.size} workers ({device}), {record.profile}")
    clock = Clock(work)

    def stop() -> None:
        for replication in replications:
            replication.stop()

    screen.progress(0, len(tasks), "runs")
    with screen, stop_on_signals(stop, screen) as caught:
        for replication in replications:
            if not replication.is_finished() and not replication.stopped:
                replication.run(clock)
    _ending(replications, caught)
    names = " ".join(claim.name for claim in claims)
    wishes = " ".join(shlex.quote(claim.wish) for claim in claims)
    moved = f" --dataset {shlex.quote(wanted.wish)}" if any(claim.moved for claim in claims) else ""
    quick = " --quick" if claims[0].quick else ""
    screen.say(f"complete: {names}; judge with: {command.python()} -m analysis.report {wishes}{moved}{quick}")


def _ending(replications: "list[Replication]", caught: list[int]) -> None:
    try:
        left = sum(len(replication.missing()) for replication in replications)
    except Stopped:  # the store is away
        if not caught:
            raise
        raise Stopped(f"stopped; go on with: {command.this_command()}", 128 + caught[0]) from None
    if caught:
        raise Stopped(f"stopped with {left} runs to go; go on with: {command.this_command()}", 128 + caught[0])
    if left:
        raise Stopped(f"{left} runs failed; try them again with: {command.this_command()}", 1)


def _check_batches(claim: "Claim", dataset: "Dataset") -> None:
    from harness.data.dataset import oversize

    for arm in claim.arms.values():
        if arm.fields.get("dataset") is None:
            complaint = oversize(arm.fields["batch_size"], dataset, "search" if arm.tuned else arm.fields["split"])
            if complaint:
                raise UserError(f"claim {claim.name!r}, arm {arm.name!r}: {complaint}")


def _exact_statements() -> None:
    """Check them anew, which takes a second, and write them down as a run of their own."""
    from harness.reference.exact_checks import exact_checks
    from harness.tracking.reports import log_exact

    checks = exact_checks()
    log_exact(tracking_uri(), {check.name: (check.statement, check.value, check.bound) for check in checks})
    failed = [check.name for check in checks if not check.holds]
    typer.echo(f"exact statements: {len(checks) - len(failed)} of {len(checks)} hold" + f" ({failed})" * bool(failed))


if __name__ == "__main__":
    command.run(app)
