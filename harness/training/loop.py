"""The training loop: a config goes in, a stream of epochs comes out.

It does no I/O, logs nothing, and knows neither Optuna nor MLflow. To prune a run, stop iterating.
"""

import math
import time
from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import nll_loss
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR, StepLR

from harness.core.config import RunConfig
from harness.core.defaults import Precision
from harness.core.metrics import EpochMetrics, Reading
from harness.core.seeds import derive
from harness.data.dataset import Dataset, batch_size_error, split_indices
from harness.training.model import Model, initial_model
from harness.training.randomness import RunGenerators

_EVALUATION_BATCH = 1_000


class Observer(Protocol):
    """Watches a run while it trains and changes nothing. Its time does not count in `seconds`."""

    @property
    def reads_gradients(self) -> bool:
        """Whether `on_update` reads the parameters' gradients; otherwise they may be missing."""

    def on_update(self, number: int) -> None:
        """Called after update `number` (from 1), while its gradients are still on the parameters."""

    def on_epoch_end(self, number: int) -> tuple[Reading, ...]:
        """Called after epoch `number` (from 1); the readings since the last call."""


def train(
    config: RunConfig,
    dataset: Dataset,
    *,
    model: Model | None = None,
    device: torch.device | str = "cpu",
    watch_test: bool = False,
    observer: Observer | None = None,
) -> Iterator[EpochMetrics]:
    """Train one run by mini-batches and yield an `EpochMetrics` after each epoch.

    Every epoch visits each training example once, in an order drawn from (seed, "order"), unless `updates` ends it. The
    last batch may be smaller, as in the lesson's loader. Dropout and the like draw from (seed, "dropout"). `dataset`
    must be on `device`. Pass `model` (from `initial_model`) to keep the trained weights; it is moved to `device` and
    trained in place. With `watch_test`, every epoch has the loss and accuracy on the test set. After the first loss
    that is not finite, the run yields a last epoch with `diverged` set.

    Raises ValueError if `batch_size` is larger than the training part.
    """
    model = (model or initial_model(config, dataset)).to(device)
    split = split_indices(dataset.train_labels, config.split, config.seed)
    if complaint := batch_size_error(config.batch_size, dataset, config.split):
        raise ValueError(complaint)
    train_part = split.train.to(device)
    optimizer = make_optimizer(config, model.parameters())
    schedule = make_schedule(config, optimizer)
    order = torch.Generator().manual_seed(derive(config.seed, "order"))
    generators = RunGenerators(derive(config.seed, "dropout"), train_part.device)
    updates = 0
    if train_part.is_cuda:
        torch.backends.cudnn.deterministic = True  # convolutions: the same sums in every run

    for epoch in range(1, config.epochs + 1):
        permutation = torch.randperm(len(train_part), generator=order).to(device)
        batches = train_part.index_select(0, permutation).split(config.batch_size)
        if config.updates is not None:
            batches = batches[: config.updates - updates]
        with generators.in_use():
            metrics = _train_epoch(epoch, model, optimizer, dataset, batches, observer, updates, config.precision)
        updates += metrics.steps
        if schedule:
            schedule.step()
        if observer:
            metrics = metrics._replace(readings=observer.on_epoch_end(epoch))
        if metrics.diverged:
            yield metrics
            return
        yield with_evaluations(metrics, model, dataset, split.validation, watch_test)
        if updates == config.updates:
            return


def make_optimizer(config: RunConfig, parameters: Iterable[Parameter]) -> Optimizer:
    """The optimizer of a config, by torch.optim with its defaults. `gamma` is the momentum of SGD and RMSprop."""
    lr, decay, gamma = config.lr, config.weight_decay, config.gamma
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(
                parameters, lr=lr, weight_decay=decay, momentum=gamma, nesterov=config.nesterov, fused=True
            )
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=lr, weight_decay=decay, momentum=gamma)
        case "adam":
            return torch.optim.Adam(parameters, lr=lr, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=lr, weight_decay=decay, fused=True)


def make_schedule(config: RunConfig, optimizer: Optimizer) -> LRScheduler | None:
    """The schedule of a config, one step per epoch; None at a constant lr.

    cosine: from lr to 0 (`CosineAnnealingLR`). step: a tenth after each third of the epochs (`StepLR`). Before them lr
    rises from a third of it for `warmup_epochs` (`LinearLR`).
    """
    warmup, rest = config.warmup_epochs, config.epochs - config.warmup_epochs
    if config.lr_schedule == "cosine":
        main: LRScheduler | None = CosineAnnealingLR(optimizer, T_max=rest)
    elif config.lr_schedule == "step":
        main = StepLR(optimizer, step_size=math.ceil(rest / 3))
    else:
        main = ConstantLR(optimizer, factor=1.0) if warmup else None
    if main is None or not warmup:
        return main
    return SequentialLR(optimizer, [LinearLR(optimizer, total_iters=warmup), main], milestones=[warmup])


def learning_rates(config: RunConfig) -> Iterator[float]:
    """The lr of each epoch."""
    optimizer = make_optimizer(config, [Parameter(torch.zeros(()))])
    schedule = make_schedule(config, optimizer)
    while True:
        yield optimizer.param_groups[0]["lr"]
        if schedule:
            optimizer.step()  # nothing moves, and the schedule does not warn that it comes first
            schedule.step()


def with_evaluations(
    metrics: EpochMetrics, model: Model, dataset: Dataset, validation: Tensor, watch_test: bool
) -> EpochMetrics:
    """The metrics with loss and accuracy on the `validation` examples, if any, and on the test set if it is watched."""
    if len(validation):
        val_loss, val_accuracy = evaluate(model, dataset.train_inputs, dataset.train_labels, validation)
        metrics = metrics._replace(val_loss=val_loss, val_accuracy=val_accuracy)
    if watch_test:
        test_loss, test_accuracy = evaluate(model, dataset.test_inputs, dataset.test_labels)
        metrics = metrics._replace(test_loss=test_loss, test_accuracy=test_accuracy)
    return metrics


def evaluate(model: Model, inputs: Tensor, labels: Tensor, indices: Tensor | None = None) -> tuple[float, float]:
    """Mean loss (nats per example) and accuracy (fraction) on inputs [n, …] and labels int64 [n].

    `indices`: int64 [m], the examples to use; all by default.
    """
    chosen = torch.arange(len(labels)) if indices is None else indices
    model.eval()
    losses, hits = [], []
    with torch.no_grad():
        for some in chosen.to(labels.device).split(_EVALUATION_BATCH):
            targets = labels.index_select(0, some)
            log_probabilities = model(inputs.index_select(0, some))
            losses.append(nll_loss(log_probabilities, targets, reduction="sum"))
            hits.append((log_probabilities.argmax(dim=1) == targets).sum())
    loss, correct = (sum(torch.stack(parts).cpu().tolist()) for parts in (losses, hits))  # one transfer from the device
    return loss / len(chosen), correct / len(chosen)


def _train_epoch(
    epoch: int,
    model: Model,
    optimizer: torch.optim.Optimizer,
    dataset: Dataset,
    batches: tuple[Tensor, ...],
    observer: Observer | None,
    updates_before: int,
    precision: Precision,
) -> EpochMetrics:
    inputs, labels = dataset.train_inputs, dataset.train_labels
    model.train()
    loss_sum, steps, seen = 0.0, 0, 0
    correct = torch.zeros((), dtype=torch.int64, device=inputs.device)
    start, observing = time.perf_counter(), 0.0
    for batch in batches:
        targets = labels.index_select(0, batch)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            log_probabilities = model(inputs.index_select(0, batch))
        loss = nll_loss(log_probabilities, targets)
        steps, seen = steps + 1, seen + len(batch)
        loss_sum += loss.item() * len(batch)
        if not math.isfinite(loss_sum):
            break
        correct += (log_probabilities.argmax(dim=1) == targets).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if observer:
            paused = time.perf_counter()
            observer.on_update(updates_before + steps)
            model.train()
            observing += time.perf_counter() - paused
    accuracy = int(correct) / seen
    seconds = time.perf_counter() - start - observing
    return EpochMetrics(
        epoch=epoch,
        train_loss=loss_sum / seen,
        train_accuracy=accuracy,
        val_loss=None,
        val_accuracy=None,
        seconds=seconds,
        samples_per_second=seen / seconds,
        steps=steps,
        diverged=not math.isfinite(loss_sum),
    )
