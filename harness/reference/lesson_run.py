"""Trains the lesson's network with the lesson's own loop (§5.5), and prints what the lesson prints. Logs nothing."""

import math
import time
from pathlib import Path

import torch
import typer
from torch.utils.data import DataLoader

from harness.core.config import RunConfig
from harness.core.errors import Stopped, Terminated, UserError
from harness.data.choice import DataChoice
from harness.data.dataset import Dataset, batch_size_error
from harness.data.load import load
from harness.reference.lesson_loop import LessonModel, Step, accuracy, fit, samples

_BATCHES_PER_LINE = 125
_TEST_BATCH = 1_000


def run_lesson(config: RunConfig, choice: DataChoice, data_dir: Path | None) -> None:
    """Train, and print progress and accuracy. Raises `UserError` for a batch larger than the data."""
    dataset = load(choice, data_dir)
    for line in filter(None, (dataset.reading, *(f"warning: {warning}" for warning in dataset.warnings))):
        typer.echo(line)
    if complaint := batch_size_error(config.batch_size, dataset, config.split):
        raise UserError(complaint)
    examples = len(dataset.train_labels)
    updates = math.ceil(examples / config.batch_size)
    typer.echo(f"{dataset.name}: {examples:,} {dataset.unit}, {updates} updates per epoch")
    start = time.perf_counter()
    last, tested = _train(config, dataset)
    if not math.isfinite(last.loss):
        typer.echo(f"the loss is {last.loss} in epoch {last.epoch}, batch {last.batch}: lr {config.lr:g} is too large")
        return
    typer.echo(
        f"trained for {last.epoch} epochs in {time.perf_counter() - start:.1f} s: accuracy {last.accuracy:.2%} over all"
        f" epochs, as the lesson counts, and {tested:.2%} on the {len(dataset.test_labels):,} test {dataset.unit}"
    )


def _train(config: RunConfig, dataset: Dataset) -> tuple[Step, float]:
    """The last step and the accuracy on the test part. Stops at the first loss that is not finite."""
    torch.manual_seed(config.seed)
    net = LessonModel(dataset.shape, len(dataset.classes), config.batch_norm)
    training = samples(dataset, dataset.train_inputs, dataset.train_labels)
    batchdata = DataLoader(training, batch_size=config.batch_size, shuffle=True, drop_last=False)
    step = None
    try:
        for step in fit(net, batchdata, config.lr, config.epochs, config.gamma):
            if step.batch % _BATCHES_PER_LINE == 0 or step.batch == len(batchdata) or not math.isfinite(step.loss):
                typer.echo(_line(step))
            if not math.isfinite(step.loss):
                return step, math.nan
    except KeyboardInterrupt as stop:
        status = stop.status if isinstance(stop, Terminated) else 130
        where = f" in epoch {step.epoch}" if step else ""
        raise Stopped(f"stopped{where}; this command saves nothing, so it starts from the beginning", status) from None
    assert step is not None
    tested = samples(dataset, dataset.test_inputs, dataset.test_labels)
    return step, accuracy(net, DataLoader(tested, batch_size=_TEST_BATCH))


def _line(step: Step) -> str:
    share = step.samples / step.total
    return (
        f"epoch {step.epoch}: [{step.samples}/{step.total} ({share:.0%})]  loss {step.loss:.6f}"
        f"  accuracy {step.accuracy:.3%}"
    )
