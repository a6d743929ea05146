"""The lesson's network for many runs at once: one update of all of them, with forward and backward written out.

δ of both layers and the gradients are those of §2.1, as products of stacked matrices. Images only.
"""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.training.inputs import GreyLevels
from harness.training.model import MLP
from harness.training.stacked.matmul import FLOAT32, BatchedMatmul, aligned
from harness.training.stacked.norms import HiddenNorm, InputNorm, PixelStatistics
from harness.training.stacked.weights import Sgd, Weight

_PART = 512  # images of a run that are processed at once, so that the results fit in a cache


class Batch(NamedTuple):
    """One batch of each run. `images` int64 [runs · size]: indices, run by run; `labels` int64 [runs, 1, size]."""

    images: Tensor
    labels: Tensor
    statistics: PixelStatistics | None


class _Buffers(NamedTuple):
    """Buffers for one batch: `grey` uint8 [runs · size, pixels], `pixels` the same as floats [runs, size, pixels],
    `sums`, `active`, `delta` [runs, hidden, size], `logits`, `delta_out` [runs, classes, size], `minus_ones` like the
    labels.

    With the batch as the last axis, the large products need no transposed copies.
    """

    grey: Tensor
    pixels: Tensor
    sums: Tensor
    active: Tensor
    delta: Tensor
    logits: Tensor
    delta_out: Tensor
    minus_ones: Tensor


class StackedMLP:
    """The stack of `models`, one per run and equal in shape. They become views of it, so they are always up to date.

    `images`: uint8 [n, height, width]; `sgd` in the models' floating point type. `with_gradients` keeps the gradients
    of the last update in the models' `.grad`, at the cost of a second product for each. With `sgd` None an update does
    nothing else.
    """

    def __init__(
        self,
        models: Sequence[MLP],
        images: Tensor,
        sgd: Sgd | None,
        matmul: BatchedMatmul,
        with_gradients: bool = False,
    ) -> None:
        first = models[0]
        assert isinstance(first.scale, GreyLevels), "a stack takes images"
        self.models = list(models)
        self._level = first.scale.max_level
        self._images = images.flatten(1)
        self._matmul = matmul
        like = first.hidden.weight.detach()
        self._hidden = Weight(torch.stack([model.hidden.weight.detach() for model in models]), sgd)
        self._output = Weight(torch.stack([model.output.weight.detach() for model in models]), sgd)
        self._input_norm = InputNorm([m.standardize for m in models], [m.normalize for m in models], like, sgd)
        self._hidden_norm = None
        if not isinstance(first.normalize_hidden, nn.Identity):
            self._hidden_norm = HiddenNorm([m.normalize_hidden for m in models], first.hidden.out_features, like, sgd)
        self._weights = [self._hidden, self._output]
        self._weights += [self._input_norm.norm.scale] if self._input_norm.norm.learns else []
        self._weights += [self._hidden_norm.norm.scale] if self._hidden_norm else []
        self._divides_gradients = with_gradients and sgd is not None
        if with_gradients or sgd is None:
            for weight in self._weights:
                weight.track_gradient()
        self._buffers: dict[int, _Buffers] = {}
        self._bind_all()

    def select(self, rows: Sequence[int]) -> None:
        """Keep these runs only; the models of the others keep their weights."""
        chosen = torch.tensor(rows, device=self._images.device)
        for part in (self._hidden, self._output, self._input_norm, self._hidden_norm):
            if part is not None:
                part.select(chosen)
        self.models = [self.models[row] for row in rows]
        self._buffers = {}
        self._bind_all()

    def change_lr(self, factor: Tensor) -> None:
        """Go on with an lr of `factor` [runs] times that before."""
        for weight in self._weights:
            weight.change_lr(factor)

    @property
    def needs_statistics(self) -> bool:
        """Whether a run normalizes its input, so that `batches` needs the mean and variance of the pixels."""
        return self._input_norm.is_needed

    def batches(
        self, images: Tensor, labels: Tensor, mean: Tensor | None = None, variance: Tensor | None = None
    ) -> Iterator[Batch]:
        """Batches of one size, prepared together. `images` int64 [batches, runs, size]: indices; `labels` likewise.

        `mean`, `variance` [batches, runs, 1]: of a batch's pixels, in units of the grey level that maps to 1.0.
        """
        statistics: Iterator[PixelStatistics | None] = repeat(None, len(images))
        if mean is not None and variance is not None:
            whole = self._input_norm.statistics(mean, variance, images.shape[2] * self._images.shape[1])
            statistics = (PixelStatistics(*parts) for parts in zip(*whole, strict=True))
        return map(Batch, images.flatten(1), labels.unsqueeze(2), statistics)

    def update(self, batch: Batch, step: Tensor) -> tuple[Tensor, Tensor]:
        """One update of every run: its sum of log-probabilities [runs], and its number of correct predictions [runs].

        `step` [runs, 1, 1]: −η / (1 − γ) / size; 1 / size without `sgd`.
        """
        size = batch.labels.shape[2]
        for weight in self._weights:
            weight.begin_batch(in_parts=size > _PART)
        if batch.statistics is not None:
            self._input_norm.begin_batch(self._hidden.values, batch.statistics)
        log_probabilities, hits = self._process(batch, step)
        for weight in self._weights:
            weight.move(step.flatten() * size)
        if self._divides_gradients:
            for weight in self._weights:
                weight.divide_gradient(step.flatten() * size)
        return log_probabilities, hits

    def _process(self, batch: Batch, step: Tensor) -> tuple[Tensor, Tensor]:
        """Process a large batch in parts, which stay in the cache, unless a layer is normalized over the batch."""
        size = batch.labels.shape[2]
        if size <= _PART or self._hidden_norm:
            return self._add(batch.images, batch.labels, step)
        parts = []
        images = batch.images.view(len(step), size)
        for part, labels in zip(images.split(_PART, dim=1), batch.labels.split(_PART, dim=2), strict=True):
            parts.append(self._add(part.flatten(), labels, step))
        log_probabilities, hits = zip(*parts, strict=True)
        return torch.stack(log_probabilities).sum(dim=0), torch.stack(hits).sum(dim=0)

    def _add(self, images: Tensor, labels: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Add the gradients of these examples to the weights; their log-probability sums and correct predictions."""
        buffers = self._buffers_for(labels.shape[2])
        torch.index_select(self._images, 0, images, out=buffers.grey)
        buffers.pixels.copy_(buffers.grey.view_as(buffers.pixels))
        log_probabilities, hits = self._forward(labels, buffers)
        self._backward(labels, step, buffers)
        return log_probabilities, hits

    def _forward(self, labels: Tensor, buffers: _Buffers) -> tuple[Tensor, Tensor]:
        """Fill `active`, the output of the hidden layer, and `logits`; log-probability sums and correct predictions."""
        active = buffers.active
        self._matmul.multiply(self._hidden.values, buffers.pixels.transpose(1, 2), 1 / self._level, out=buffers.sums)
        if self._input_norm.is_needed:
            self._input_norm.forward(buffers.sums, out=active)
        if self._hidden_norm:
            self._hidden_norm.forward(active)
        active.relu_()
        FLOAT32.multiply(self._output.values, active, 1.0, out=buffers.logits)
        log_probabilities = buffers.logits.log_softmax(dim=1)
        hits = (log_probabilities.max(dim=1, keepdim=True).indices == labels).sum(dim=(1, 2))
        return log_probabilities.gather(1, labels).sum(dim=(1, 2)), hits

    def _backward(self, labels: Tensor, step: Tensor, buffers: _Buffers) -> None:
        """δ of the output is σ − e_y. Multiplied by the step, so that every gradient after it includes the step."""
        delta_out = torch.softmax(buffers.logits, dim=1, out=buffers.delta_out)
        delta_out.scatter_add_(1, labels, buffers.minus_ones)
        delta_out.mul_(step)
        delta = buffers.delta
        FLOAT32.multiply(self._output.values.transpose(1, 2), delta_out, 1.0, out=delta)
        torch.ops.aten.threshold_backward.grad_input(delta, buffers.active, 0, grad_input=delta)
        self._output.add_product(delta_out, buffers.active.transpose(1, 2), FLOAT32)
        if self._hidden_norm:
            self._hidden_norm.backward(delta)
        if self._input_norm.is_needed:
            self._input_norm.backward(delta, buffers.sums, self._hidden)
        self._hidden.add_product(delta, buffers.pixels, self._matmul, 1 / self._level)

    def _buffers_for(self, size: int) -> _Buffers:
        if size not in self._buffers:
            runs, hidden, pixels = self._hidden.values.shape
            classes = self._output.values.shape[1]
            new, like = self._hidden.values.new_empty, self._hidden.values
            # Without a normalized input, W x goes through the relu directly.
            sums = aligned(runs, hidden, size, like=like)
            self._buffers[size] = _Buffers(
                grey=torch.empty(runs * size, pixels, dtype=torch.uint8, device=sums.device),
                pixels=new((runs, size, pixels), dtype=self._matmul.dtype(sums.dtype)),
                sums=sums,
                active=aligned(runs, hidden, size, like=like) if self._input_norm.is_needed else sums,
                delta=aligned(runs, hidden, size, like=like),
                logits=aligned(runs, classes, size, like=like),
                delta_out=aligned(runs, classes, size, like=like),
                minus_ones=new(runs, 1, size).fill_(-1.0),
            )
        return self._buffers[size]

    def _bind_all(self) -> None:
        for row, model in enumerate(self.models):
            self._hidden.bind(model.hidden.weight, row)
            self._output.bind(model.output.weight, row)
            self._input_norm.norm.bind(model.normalize, row)
            if self._hidden_norm:
                self._hidden_norm.norm.bind(model.normalize_hidden, row)
