"""`python -m harness.search`: an Optuna search, with every trial in MLflow. The command line alone."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command, options
from harness.core.defaults import LESSON_SEED, Precision, PrunerChoice, SamplerChoice
from harness.data.choice import data_choice
from harness.engines.choice import EngineOptions, start_workers
from harness.storage.checks import OPTUNA_DEFAULT
from harness.studies.request import USUAL_FINALS, USUAL_ROUND, FinalsPlan, SearchRequest

app = command.new_app()


@app.command()
def main(
    trials: Annotated[int, typer.Option(help="Total number of trials in the study.")] = 30,
    study: Annotated[str, typer.Option(help="Name of the study.", show_default="dataset-seed")] = "",
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = LESSON_SEED,
    workers: options.WorkersOption = None,
    dataset: options.DatasetOption = "auto",
    target: options.TargetOption = "",
    header: options.HeaderOption = "auto",
    ignore: options.IgnoreOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = "auto",
    engine: options.EngineOption = "local",
    ray_address: options.RayAddressOption = "",
    gpus_per_run: options.GpusPerRunOption = 0.0,
    stack: options.StackOption = True,
    precision: Annotated[Precision, typer.Option(help="Of matrix products; weights are float32.")] = "float32",
    space: Annotated[
        Path | None, typer.Option(help="TOML file of the search space.", show_default="experiments/search.toml")
    ] = None,
    sampler: Annotated[SamplerChoice, typer.Option(help="How configs are proposed; part of the study.")] = "tpe",
    pruner: Annotated[PrunerChoice, typer.Option(help="Which trials stop early; part of the study.")] = "median",
    enqueue: Annotated[Path | None, typer.Option(help="CSV file of configs to try first.", show_default=False)] = None,
    warm_start: Annotated[
        str,
        typer.Option(metavar="STUDY[:K]", help="Try the K (5) best configs of that study first.", show_default=False),
    ] = "",
    storage: Annotated[str, typer.Option(help="Where Optuna stores the study.")] = OPTUNA_DEFAULT,
    round_size: Annotated[int, typer.Option(help="Trials proposed at a time; part of the study.")] = USUAL_ROUND,
    timeout: Annotated[float | None, typer.Option(help="Stop after this many seconds, once a run has ended.")] = None,
    confirm: Annotated[
        int, typer.Option(help="Best trials to train again with fresh seeds; 0: none.")
    ] = USUAL_FINALS.confirm,
    confirm_seeds: Annotated[int, typer.Option(help="Fresh seeds of each of them.")] = USUAL_FINALS.confirm_seeds,
    winner_seeds: Annotated[
        int, typer.Option(help="Fresh seeds that test the winner and the lesson's setting.")
    ] = USUAL_FINALS.winner_seeds,
    wait: Annotated[
        bool, typer.Option("--wait", help="If another process runs this study, wait until it ends, then continue.")
    ] = False,
    debug: options.DebugOption = False,
) -> None:
    """Search lr, gamma, batch_size, epochs and batch_norm of the lesson's network; log every trial to MLflow.

    The same command again resumes the study, or reports that nothing is left.
    """
    with command.report_errors(debug):
        request = SearchRequest(
            trials=trials,
            study=study,
            seed=seed,
            engine=EngineOptions(engine, workers, ray_address, gpus_per_run, device),
            dataset=data_choice(dataset, target, header, ignore),
            data_dir=data_dir,
            stack=stack,
            precision=precision,
            space=space,
            storage=storage,
            round_size=round_size,
            timeout=timeout,
            finals=FinalsPlan(confirm, confirm_seeds, winner_seeds),
            wait=wait,
            sampler=sampler,
            pruner=pruner,
            enqueue=enqueue,
            warm_start=warm_start,
        )
        request.check()

        from harness.cli.console import Console
        from harness.studies.first_configs import read_configs
        from harness.studies.space_file import read_space

        search_space = read_space(request.space_file)
        search_space.check_sampler(sampler, trials)
        first = read_configs(enqueue, search_space) if enqueue else None
        console = Console()
        console.print("loading torch and the data ...")
        with closing(start_workers(request.engine)) as pool:  # workers import torch while this process does
            from harness.studies.run import run_search

            run_search(request, search_space, first, pool, console)


if __name__ == "__main__":
    command.run(app)
