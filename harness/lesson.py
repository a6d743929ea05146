"""`python -m harness.lesson`: §5 as the lesson runs it, with its loader, its `fit` and its progress line.

Logs nothing and is slow on purpose; `harness.search` and `harness.replicate` do the same work faster and keep it.
"""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import command
from harness.cli.options import DataDir, DataName, Debug, Target
from harness.core.config import RunConfig, make_config
from harness.core.defaults import LESSON, LESSON_SEED
from harness.core.errors import Stopped, UserError
from harness.data.choice import DataChoice, data_choice

if TYPE_CHECKING:
    from harness.data.dataset import Dataset
    from harness.reference.lesson_loop import Step

_BATCHES_A_LINE = 125
_TEST_BATCH = 1_000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    lr: Annotated[float, typer.Option(help="Step size η.")] = LESSON["lr"],
    gamma: Annotated[float, typer.Option(help="Momentum γ.")] = LESSON["gamma"],
    batch_size: Annotated[int, typer.Option(help="Samples in one update.")] = LESSON["batch_size"],
    epochs: Annotated[int, typer.Option(help="Passes over the training part.")] = LESSON["epochs"],
    batch_norm: Annotated[bool, typer.Option("--batch-norm", help="BatchNorm on the input.")] = False,
    seed: Annotated[int, typer.Option(help="torch.manual_seed before the network.")] = LESSON_SEED,
    dataset: DataName = "auto",
    target: Target = "",
    data_dir: DataDir = None,
    debug: Debug = False,
) -> None:
    """Train the lesson's network with the lesson's own loop (§5.5), and print what the lesson prints."""
    with command.one_line_endings(debug):
        choice = data_choice(dataset, target)
        config = make_config(
            lr=lr, gamma=gamma, batch_size=batch_size, epochs=epochs, batch_norm=batch_norm, seed=seed,
            dataset=choice.name, split="lesson",
        )  # fmt: skip
        _run(config, choice, data_dir)


def _run(config: RunConfig, choice: DataChoice, data_dir: Path | None) -> None:
    typer.echo("loading torch and the data ...")

    from harness.data.dataset import oversize
    from harness.data.load import load

    dataset = load(choice, data_dir)
    if dataset.warning:
        typer.echo(f"warning: {dataset.warning}")
    if complaint := oversize(config.batch_size, dataset, config.split):
        raise UserError(complaint)
    training = len(dataset.train_labels)
    typer.echo(
        f"{dataset.name}: {training:,} {dataset.unit}, {math.ceil(training / config.batch_size)} updates an epoch"
    )
    start = time.perf_counter()
    last, tested = _train(config, dataset)
    if not math.isfinite(last.loss):
        typer.echo(f"the loss is {last.loss} in epoch {last.epoch}, batch {last.batch}: lr {config.lr:g} is too large")
        return
    typer.echo(
        f"trained for {last.epoch} epochs in {time.perf_counter() - start:.1f} s: accuracy {last.accuracy:.2%} over all"
        f" epochs, as the lesson counts, and {tested:.2%} on the {len(dataset.test_labels):,} test {dataset.unit}"
    )


def _train(config: RunConfig, dataset: "Dataset") -> "tuple[Step, float]":
    """The last step and the accuracy on the test part; ends at the first loss that is not finite."""
    import torch
    from torch.utils.data import DataLoader

    from harness.reference.lesson_loop import LessonModel, accuracy, fit, samples

    torch.manual_seed(config.seed)
    net = LessonModel(dataset.shape, len(dataset.classes), config.batch_norm)
    training = samples(dataset, dataset.train_inputs, dataset.train_labels)
    batchdata = DataLoader(training, batch_size=config.batch_size, shuffle=True, drop_last=False)
    step = None
    try:
        for step in fit(net, batchdata, config.lr, config.epochs, config.gamma):
            if step.batch % _BATCHES_A_LINE == 0 or step.batch == len(batchdata) or not math.isfinite(step.loss):
                typer.echo(_line(step))
            if not math.isfinite(step.loss):
                return step, math.nan
    except KeyboardInterrupt:
        where = f" in epoch {step.epoch}" if step else ""
        raise Stopped(f"stopped{where}; this command keeps nothing, so that it begins anew", 130) from None
    assert step is not None
    tested = samples(dataset, dataset.test_inputs, dataset.test_labels)
    return step, accuracy(net, DataLoader(tested, batch_size=_TEST_BATCH))


def _line(step: "Step") -> str:
    share = step.samples / step.total
    return (
        f"epoch {step.epoch}: [{step.samples}/{step.total} ({share:.0%})]  loss {step.loss:.6f}"
        f"  accuracy {step.accuracy:.3%}"
    )


if __name__ == "__main__":
    command.run(app)
