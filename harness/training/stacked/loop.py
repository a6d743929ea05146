"""Trains runs of one shape together, as a stack: what `train` does for one config.

A run's results equal those of `train` up to rounding, and are the same to the bit whatever shares its stack (after
divergence, only its recorded metrics). It does no I/O, and knows neither Optuna nor MLflow.
"""

import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence

import torch
from torch import Tensor

from harness.core.config import RunConfig
from harness.core.metrics import EpochMetrics
from harness.core.seeds import derive
from harness.data.dataset import Dataset, batch_size_error, split_indices
from harness.training.loop import Observer, learning_rates, make_optimizer, with_evaluations
from harness.training.model import MLP
from harness.training.stacked.cuda_graph import CudaGraphUpdate
from harness.training.stacked.matmul import BatchedMatmul
from harness.training.stacked.mlp import Batch, StackedMLP
from harness.training.stacked.weights import Sgd


def shape_of(config: RunConfig, dataset: Dataset) -> Hashable | None:
    """What runs must have in common to share a stack; None if a run has to train alone, by `train`.

    Rows of a table and toys train alone, and so does one hidden unit, whose products would depend on the stack. So do
    networks of the user's own.
    """
    is_stacked = config.dataset == dataset.name and dataset.max_level is not None
    if not is_stacked or config.hidden == 1 or config.network is not None:
        return None
    is_sgd = config.optimizer == "sgd"
    shape = config.batch_size, config.split, config.hidden, config.hidden_batch_norm, config.updates, config.precision
    return (*shape, is_sgd)


class StackedTrainer:
    """Trains `configs`, equal in `shape_of`, with `models` from `initial_model`; `observers[i]` watches run i.

    The models are trained in place. `dataset` must be on their device. Raises ValueError if `batch_size` is larger than
    the training part.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        dataset: Dataset,
        models: Sequence[MLP],
        *,
        watch_test: bool = False,
        observers: Sequence[Observer | None] = (),
    ) -> None:
        first = configs[0]
        if complaint := batch_size_error(first.batch_size, dataset, first.split):
            raise ValueError(complaint)
        self._configs = configs
        self._models = models
        self._dataset = dataset
        self._watch_test = watch_test
        self._observers = observers or [None] * len(configs)
        self._splits = [split_indices(dataset.train_labels, config.split, config.seed) for config in configs]
        self._orders = [torch.Generator().manual_seed(derive(config.seed, "order")) for config in configs]
        self._epoch = self._updates = 0
        self._running = list(range(len(configs)))
        self._dropped: set[int] = set()
        like = models[0].hidden.weight.detach()
        sgd, self._optimizers = None, []
        if first.optimizer == "sgd":
            sgd = Sgd(
                gamma=like.new_tensor([config.gamma for config in configs]),
                decay=like.new_tensor([config.weight_decay for config in configs]),
                on_path=like.new_tensor([config.gamma if config.nesterov else 1.0 for config in configs]),
            )
        else:
            pairs = zip(configs, models, strict=True)
            self._optimizers = [make_optimizer(config, model.parameters()) for config, model in pairs]
        self._schedules = [learning_rates(config) for config in configs]
        self._rates = [next(schedule) for schedule in self._schedules]
        self._step = self._steps(like)
        with_gradients = any(observer is not None and observer.reads_gradients for observer in self._observers)
        self._stack = StackedMLP(models, dataset.train_inputs, sgd, BatchedMatmul(first.precision), with_gradients)
        self._update = self._update_function()

    def epochs(self) -> Iterator[dict[int, EpochMetrics]]:
        """Train; yields after each epoch the metrics of every run that trained it, by its number in `configs`.

        The time of the stack is divided among its runs.
        """
        limit = self._configs[0].updates
        while self._running:
            records = self._train_epoch(limit)
            yield records
            for number, metrics in records.items():
                if metrics.diverged or self._epoch == self._configs[number].epochs or self._updates == limit:
                    self.drop(number)
            self._shrink()

    def drop(self, number: int) -> None:
        """Stop training this run."""
        self._dropped.add(number)

    def _shrink(self) -> None:
        rows = [row for row, number in enumerate(self._running) if number not in self._dropped]
        if len(rows) < len(self._running):
            self._running = [self._running[row] for row in rows]
            if rows:
                self._stack.select(rows)
                self._step = self._step[rows]
                self._update = self._update_function()

    def _change_lr(self) -> None:
        """Give each run the lr of the next epoch."""
        before = [self._rates[number] for number in self._running]
        for number in self._running:
            self._rates[number] = next(self._schedules[number])
        factors = [self._rates[number] / old for number, old in zip(self._running, before, strict=True)]
        if not self._optimizers and any(factor != 1 for factor in factors):
            self._stack.change_lr(self._step.new_tensor(factors))
            self._step = self._steps(self._step)

    def _steps(self, like: Tensor) -> Tensor:
        """−η / (1 − γ) of the running runs, [runs, 1, 1]; 1 if an optimizer moves them."""
        if self._optimizers:
            return like.new_ones(len(self._running), 1, 1)
        rate = like.new_tensor([self._rates[number] for number in self._running])
        gamma = like.new_tensor([self._configs[number].gamma for number in self._running])
        return (-rate / (1 - gamma)).view(-1, 1, 1)

    def _update_function(self) -> Callable[[Batch, Tensor], tuple[Tensor, Tensor]]:
        return (
            CudaGraphUpdate(self._stack, self._configs[0].batch_size).update
            if self._step.is_cuda
            else self._stack.update
        )

    def _train_epoch(self, limit: int | None) -> dict[int, EpochMetrics]:
        if self._epoch:
            self._change_lr()
        self._epoch += 1
        batches = self._batches()
        sums, hits, sizes = [], [], []
        finite = dict.fromkeys(self._running, True)
        observed = any(self._observers[number] for number in self._running)
        start, observing = time.perf_counter(), 0.0
        for number in self._running if self._optimizers else ():
            self._optimizers[number].param_groups[0]["lr"] = self._rates[number]
        for batch in batches:
            if self._updates == limit:
                break
            size = batch.labels.shape[2]
            log_probabilities, right = self._update(batch, self._step / size)
            for number in self._running if self._optimizers else ():
                self._optimizers[number].step()
            self._updates += 1
            sums.append(log_probabilities)
            hits.append(right)
            sizes.append(size)
            if observed:
                losses = log_probabilities.tolist()  # a GPU finishes the update here
                paused = time.perf_counter()
                self._observe(losses, finite)
                observing += time.perf_counter() - paused
        fetched = torch.stack(sums).cpu(), torch.stack(hits).cpu()  # a GPU finishes the epoch here
        seconds = (time.perf_counter() - start - observing) / len(self._running)
        for number in self._running:
            _count_batches(self._models[number], sizes)
        return self._records(*fetched, sizes, seconds)

    def _records(self, sums: Tensor, hits: Tensor, sizes: list[int], seconds: float) -> dict[int, EpochMetrics]:
        """The metrics, from the log-probability sums and correct predictions of every update, [updates, runs]. A run
        diverges at its first sum that is not finite."""
        losses, hits = sums.double().neg_().cumsum(dim=0), hits.cumsum(dim=0)
        records = {}
        for row, number in enumerate(self._running):
            finite = int(losses[:, row].isfinite().sum())
            steps = min(finite + 1, len(sizes))
            seen = sum(sizes[:steps])
            metrics = EpochMetrics(
                epoch=self._epoch,
                train_loss=float(losses[steps - 1, row]) / seen,
                train_accuracy=int(hits[finite - 1, row]) / seen if finite else 0.0,
                val_loss=None,
                val_accuracy=None,
                seconds=seconds,
                samples_per_second=seen / seconds,
                steps=steps,
                diverged=finite < len(sizes),
            )
            records[number] = self._evaluated(number, metrics)
        return records

    def _batches(self) -> Iterator[Batch]:
        """The batches of an epoch: each run's training images in its own order; the last batch may be smaller."""
        size = self._configs[0].batch_size
        orders = torch.stack([
            split.train[torch.randperm(len(split.train), generator=order)]
            for number in self._running
            for split, order in [(self._splits[number], self._orders[number])]
        ]).to(self._step.device)  # fmt: skip
        whole = orders.shape[1] // size * size
        for part, width in ((orders[:, :whole], size), (orders[:, whole:], orders.shape[1] - whole)):
            if part.numel():
                yield from self._batches_of(part, width)

    def _batches_of(self, orders: Tensor, size: int) -> Iterator[Batch]:
        runs, dataset = len(orders), self._dataset
        images = orders.view(runs, -1, size).transpose(0, 1).contiguous()  # [batches, runs, size]
        labels = dataset.train_labels.index_select(0, images.flatten()).view_as(images)
        if not self._stack.needs_statistics:
            return self._stack.batches(images, labels)
        level, pixels = dataset.max_level or 1, size * dataset.train_inputs[0].numel()
        total, squares = (
            sums.index_select(0, images.flatten()).view_as(images).sum(dim=2, keepdim=True).double()
            for sums in dataset.pixel_sums
        )
        mean = total / (pixels * level)
        variance = squares / (pixels * level**2) - mean.square()
        return self._stack.batches(images, labels, mean.to(self._step.dtype), variance.to(self._step.dtype))

    def _observe(self, losses: Sequence[float], finite: dict[int, bool]) -> None:
        for number, loss in zip(self._running, losses, strict=True):
            finite[number] &= math.isfinite(loss)
            observer = self._observers[number]
            if observer and finite[number]:
                observer.on_update(self._updates)

    def _evaluated(self, number: int, metrics: EpochMetrics) -> EpochMetrics:
        """The metrics with the readings of the observer and the evaluations."""
        observer = self._observers[number]
        if observer:
            metrics = metrics._replace(readings=observer.on_epoch_end(self._epoch))
        if metrics.diverged:
            return metrics
        validation = self._splits[number].validation
        return with_evaluations(metrics, self._models[number], self._dataset, validation, self._watch_test)


def _count_batches(model: MLP, sizes: Sequence[int]) -> None:
    """Count batches as torch's modules do: `ColumnNorm` skips a batch of one."""
    for part, least in ((model.normalize, 1), (model.normalize_hidden, 2)):
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            assert part.num_batches_tracked is not None
            part.num_batches_tracked += sum(size >= least for size in sizes)
