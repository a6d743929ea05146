"""The training loop: a config goes in, a stream of epochs comes out.

Does no I/O, logs nothing, knows neither Optuna nor MLflow. To prune a run is to stop iterating.
"""

import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from harness.config import RunConfig
from harness.data import Dataset, split_indices
from harness.metrics import EpochMetrics
from harness.model import MLP, initial_model
from harness.seeds import derive

_EVALUATION_BATCH = 5_000


def train(
    config: RunConfig, dataset: Dataset, *, model: MLP | None = None, device: torch.device | str = "cpu"
) -> Iterator[EpochMetrics]:
    """Train one run by mini-batch SGD with momentum and yield an `EpochMetrics` after each epoch.

    Every epoch visits each training image once, in an order drawn from (seed, "order"); the last batch may be smaller,
    as in the lesson's loader. `dataset` must lie on `device` already. Give `model` (from `initial_model`) to keep the
    trained weights; it is moved to `device` and trained in place. After the first loss that is not finite the run
    yields a last, `diverged` record and ends.

    Raises ValueError if a batch would be larger than the training part.
    """
    model = (model or initial_model(config, dataset)).to(device)
    split = split_indices(dataset.train_labels, config.split, config.seed)
    if config.batch_size > len(split.train):
        raise ValueError(f"batch_size is {config.batch_size}: it should be at most {len(split.train)} training images")
    images, labels = _take(dataset, split.train)
    validation = _take(dataset, split.validation)
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=config.gamma, fused=True)
    order = torch.Generator().manual_seed(derive(config.seed, "order"))

    for epoch in range(1, config.epochs + 1):
        permutation = torch.randperm(len(images), generator=order).to(device)
        metrics = _train_epoch(epoch, model, optimizer, images, labels, permutation.split(config.batch_size))
        if metrics.diverged:
            yield metrics
            return
        if len(split.validation):
            val_loss, val_accuracy = evaluate(model, *validation)
            metrics = metrics._replace(val_loss=val_loss, val_accuracy=val_accuracy)
        yield metrics


def evaluate(model: MLP, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss (nats an image) and accuracy (fraction) on images uint8 [n, height, width], labels int64 [n]."""
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for batch, targets in zip(images.split(_EVALUATION_BATCH), labels.split(_EVALUATION_BATCH), strict=True):
            log_probabilities = model(batch)
            loss += nll_loss(log_probabilities, targets, reduction="sum").item()
            correct += int((log_probabilities.argmax(dim=1) == targets).sum())
    return loss / len(labels), correct / len(labels)


def _train_epoch(
    epoch: int,
    model: MLP,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    batches: tuple[Tensor, ...],
) -> EpochMetrics:
    model.train()
    loss_sum, steps, seen = 0.0, 0, 0
    correct = torch.zeros((), dtype=torch.int64, device=images.device)
    start = time.perf_counter()
    for batch in batches:
        targets = labels.index_select(0, batch)
        log_probabilities = model(images.index_select(0, batch))
        loss = nll_loss(log_probabilities, targets)
        steps, seen = steps + 1, seen + len(batch)
        loss_sum += loss.item() * len(batch)
        if not math.isfinite(loss_sum):
            break
        correct += (log_probabilities.argmax(dim=1) == targets).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracy = int(correct) / seen
    seconds = time.perf_counter() - start
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


def _take(dataset: Dataset, indices: Tensor) -> tuple[Tensor, Tensor]:
    indices = indices.to(dataset.train_images.device)
    return dataset.train_images.index_select(0, indices), dataset.train_labels.index_select(0, indices)
