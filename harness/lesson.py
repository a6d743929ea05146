"""`python -m harness.lesson`: §5 with the lesson's loader, `fit` and progress line. The command line alone.

Slow on purpose; `harness.search` and `harness.replicate` do the same work faster and record it.
"""

from typing import Annotated

import typer

from harness.cli import command
from harness.cli.options import (
    DataDirOption,
    DatasetOption,
    DebugOption,
    HeaderOption,
    IgnoreOption,
    TargetOption,
)
from harness.core.defaults import LESSON, LESSON_SEED
from harness.data.choice import data_choice

app = command.new_app()


@app.command()
def main(
    lr: Annotated[float, typer.Option(help="Step size η.")] = LESSON["lr"],
    gamma: Annotated[float, typer.Option(help="Momentum γ.")] = LESSON["gamma"],
    batch_size: Annotated[int, typer.Option(help="Examples per update.")] = LESSON["batch_size"],
    epochs: Annotated[int, typer.Option(help="Passes over the training part.")] = LESSON["epochs"],
    batch_norm: Annotated[bool, typer.Option("--batch-norm", help="BatchNorm on the input.")] = False,
    seed: Annotated[int, typer.Option(help="torch.manual_seed before the network.")] = LESSON_SEED,
    dataset: DatasetOption = "auto",
    target: TargetOption = "",
    header: HeaderOption = "auto",
    ignore: IgnoreOption = None,
    data_dir: DataDirOption = None,
    debug: DebugOption = False,
) -> None:
    """Train the lesson's network with the lesson's own loop (§5.5), and print what the lesson prints."""
    with command.report_errors(debug):
        from harness.core.config import make_config

        choice = data_choice(dataset, target, header, ignore)
        config = make_config(
            lr=lr, gamma=gamma, batch_size=batch_size, epochs=epochs, batch_norm=batch_norm, seed=seed,
            dataset=choice.name, split="lesson",
        )  # fmt: skip
        choice.check_readable(data_dir)
        typer.echo("loading torch and the data ...")

        from harness.reference.lesson_run import run_lesson

        run_lesson(config, choice, data_dir)


if __name__ == "__main__":
    command.run(app)
