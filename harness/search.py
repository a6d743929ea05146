"""`python -m harness.search`: an Optuna search, every trial in MLflow. The command line alone."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import (
    Cohort,
    DataDir,
    DataName,
    Debug,
    Device,
    Engine,
    GpusPerRun,
    RayAddress,
    Target,
    Workers,
)
from harness.core.defaults import LESSON_SEED, Precision
from harness.data.choice import data_choice
from harness.engines.choice import Where
from harness.storage.checks import OPTUNA_DEFAULT
from harness.studies.run import Plan, carry_out

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    trials: Annotated[int, typer.Option(help="Trials that the study shall have in all.")] = 30,
    study: Annotated[str, typer.Option(help="Name of the study.", show_default="dataset-seed")] = "",
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = LESSON_SEED,
    workers: Workers = None,
    dataset: DataName = "auto",
    target: Target = "",
    data_dir: DataDir = None,
    device: Device = "auto",
    engine: Engine = "local",
    ray_address: RayAddress = "",
    gpus_per_run: GpusPerRun = 0.0,
    cohort: Cohort = "on",
    precision: Annotated[Precision, typer.Option(help="Of matrix products; weights are float32.")] = "float32",
    space: Annotated[Path | None, typer.Option(help="What to search.", show_default="experiments/search.toml")] = None,
    storage: Annotated[str, typer.Option(help="Where Optuna keeps the study.")] = OPTUNA_DEFAULT,
    round: Annotated[int, typer.Option(help="Trials proposed at a time; part of the study.")] = 8,
    timeout: Annotated[float | None, typer.Option(help="Stop after so many seconds; resumable.")] = None,
    join: Annotated[
        bool,
        typer.Option("--join", help="Where another process runs this study: wait, and go on when it ends or dies."),
    ] = False,
    debug: Debug = False,
) -> None:
    """Search lr, gamma, batch_size, epochs and batch_norm of the lesson's network; log every trial to MLflow.

    The same command again resumes the study, or says that nothing is left.
    """
    with command.one_line_endings(debug):
        choice = data_choice(dataset, target)
        carry_out(
            Plan(
                trials=trials,
                study=study,
                seed=seed,
                where=Where(engine, workers, ray_address, gpus_per_run, device),
                dataset=choice,
                data_dir=data_dir,
                cohort=cohort,
                precision=precision,
                space=space,
                storage=storage,
                round=round,
                timeout=timeout,
                join=join,
            )
        )


if __name__ == "__main__":
    command.run(app)
