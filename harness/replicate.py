"""`python -m harness.replicate CLAIM…`: make the runs that a claim is judged by. The command line alone."""

import shlex
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.claims.claim import Claim
from harness.claims.file import claim_files, find_claim, read_claim
from harness.claims.template import write_template
from harness.cli import command, options
from harness.core.defaults import Header
from harness.core.errors import UserError
from harness.data.choice import data_choice
from harness.engines.choice import EngineOptions, start_workers
from harness.storage.checks import check_tracking, tracking_uri

if TYPE_CHECKING:
    from harness.cli.console import Console

app = command.new_app()


@app.command()
def main(
    claims: Annotated[list[str] | None, typer.Argument(help="Claims, by name or by path.", show_default=False)] = None,
    all: Annotated[bool, typer.Option("--all", help="Every claim, and the exact statements.")] = False,
    seeds: Annotated[int | None, typer.Option(help="Seeds per arm.", show_default="the claim's")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="3 seeds, shorter runs: to look, not to judge.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would take and could show; run nothing.")] = False,
    list_claims: Annotated[
        bool, typer.Option("--list", help="List the claims: runs, time, and data that fit.")
    ] = False,
    new_claim: Annotated[
        str | None, typer.Option("--new-claim", metavar="NAME", help="Write NAME.toml, a claim of your own to change.")
    ] = None,
    workers: options.WorkersOption = None,
    dataset: options.OptionalDatasetOption = None,
    target: options.TargetOption = "",
    header: options.HeaderOption = "auto",
    ignore: options.IgnoreOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = "auto",
    engine: options.EngineOption = "local",
    ray_address: options.RayAddressOption = "",
    gpus_per_run: options.GpusPerRunOption = 0.0,
    stack: options.StackOption = True,
    debug: options.DebugOption = False,
) -> None:
    """Make the missing runs of one claim, of several, or of --all.

    The same command again resumes, or reports that nothing is left. python -m analysis.report judges the runs.
    """
    with command.report_errors(debug):
        if new_claim is not None:
            path = write_template(new_claim)
            typer.echo(
                f"wrote {path}; run it with: {command.command_line('harness.replicate', shlex.quote(str(path)))}"
            )
            return
        engine_options = EngineOptions(engine, workers, ray_address, gpus_per_run, device)
        _check(claims, all, list_claims, seeds, quick)
        engine_options.check()
        check_tracking(tracking_uri())
        chosen = _on(_read(claims, seeds, quick), dataset, target, header, ignore)

        from harness.cli.console import Console

        console = Console()
        if list_claims:
            _print_list(chosen, workers, console)
            return
        if plan:
            _print_plans(chosen, data_dir, workers, console)
            return
        console.print("loading torch and the data ...")
        with closing(start_workers(engine_options)) as pool:  # workers import torch while this process does
            from harness.claims.run import check_exact_statements, replicate_claims

            replicate_claims(chosen, engine_options, data_dir, stack, pool, console)
        if all:
            check_exact_statements(console)


def _print_plans(claims: list[Claim], data_dir: Path | None, workers: int | None, console: "Console") -> None:
    from harness.claims.plan import print_plans
    from harness.engines.machine import usual_workers

    print_plans(claims, tracking_uri(), data_dir, workers or usual_workers("cpu"), console)


def _print_list(claims: list[Claim], workers: int | None, console: "Console") -> None:
    from harness.claims.plan import list_claims
    from harness.engines.machine import usual_workers

    list_claims(claims, workers or usual_workers("cpu"), console)


def _check(claims: list[str] | None, all: bool, list_claims: bool, seeds: int | None, quick: bool) -> None:
    if claims and all:
        raise UserError(f"--all and {claims[0]!r}: name claims or use --all, not both")
    if not claims and not all and not list_claims:
        raise UserError(f"name the claims to replicate, or --all; there are {', '.join(p.stem for p in claim_files())}")
    if seeds is not None and seeds < 2:
        raise UserError(f"--seeds is {seeds}: it should be at least 2")
    if seeds is not None and quick:
        raise UserError("--seeds and --quick: --quick sets the number of seeds; use one of them")


def _read(claims: list[str] | None, seeds: int | None, quick: bool) -> list[Claim]:
    paths = [find_claim(spec) for spec in claims] if claims else claim_files()
    read = [read_claim(path) for path in dict.fromkeys(paths)]
    if quick:
        return [claim.quickened() for claim in read]
    return [claim.with_seeds(seeds) for claim in read] if seeds else read


def _on(claims: list[Claim], dataset: str | None, target: str, header: Header, ignore: list[str] | None) -> list[Claim]:
    if dataset is None and target:
        raise UserError(f"--target is {target!r}: it needs --dataset csv:PATH")
    if dataset is None and header != "auto":
        raise UserError(f"--header is {header!r}: it needs --dataset csv:PATH")
    if dataset is None and ignore:
        raise UserError(f"--ignore is {ignore[0]!r}: it needs --dataset csv:PATH")
    if dataset == "auto":
        raise UserError("--dataset is 'auto': a replication names its data")
    return claims if dataset is None else [claim.on(data_choice(dataset, target, header, ignore)) for claim in claims]


if __name__ == "__main__":
    command.run(app)
