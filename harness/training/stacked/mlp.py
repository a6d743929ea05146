"""The lesson's network for many runs at once: one update of all of them, forward and backward, written out.

δ of both layers and the gradients are those of §2.1, as products of stacked matrices. Images only.
"""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.training.model import MLP, GreyLevels
from harness.training.stacked.matmul import EXACT, Products, aligned
from harness.training.stacked.norms import HiddenNorm, InputNorm, PixelStatistics
from harness.training.stacked.weights import Weight

_PART = 512  # images of a run that are worked off at once: what is made of them fits in a cache


class Batch(NamedTuple):
    """One batch of each run. `images` int64 [runs · size]: which ones, run by run; `labels` int64 [runs, 1, size]."""

    images: Tensor
    labels: Tensor
    statistics: PixelStatistics | None


class _Room(NamedTuple):
    """Buffers for one batch: `grey` uint8 [runs · size, pixels], `pixels` the same as floats [runs, size, pixels],
    `sums`, `active`, `delta` [runs, hidden, size], `logits`, `delta_out` [runs, classes, size]; `minus_ones` like the
    labels.

    With the batch last, both large products read their operands as they lie, but for the pixels of the first.
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
    """`models`, one a run and equal in shape, become views of the stack, so that they always show the newest weights.

    `images`: uint8 [n, height, width]; `gamma`: [runs], in the models' floating point type. `with_gradients` keeps the
    gradients of the last update in the models' `.grad`, which costs a second product for each.
    """

    def __init__(
        self, models: Sequence[MLP], images: Tensor, gamma: Tensor, products: Products, with_gradients: bool = False
    ) -> None:
        first = models[0]
        assert isinstance(first.scale, GreyLevels), "a stack takes images"
        self.models = list(models)
        self._level = first.scale.max_level
        self._images = images.flatten(1)
        self._products = products
        self._hidden = Weight(torch.stack([model.hidden.weight.detach() for model in models]), gamma)
        self._output = Weight(torch.stack([model.output.weight.detach() for model in models]), gamma)
        self._input_norm = InputNorm([m.standardize for m in models], [m.normalize for m in models], gamma)
        self._hidden_norm = None
        if not isinstance(first.normalize_hidden, nn.Identity):
            self._hidden_norm = HiddenNorm([m.normalize_hidden for m in models], first.hidden.out_features, gamma)
        self._weights = [self._hidden, self._output]
        self._weights += [self._input_norm.norm.scale] if self._input_norm.norm.learns else []
        self._weights += [self._hidden_norm.norm.scale] if self._hidden_norm else []
        self._with_gradients = with_gradients
        if with_gradients:
            for weight in self._weights:
                weight.keep_gradient()
        self._rooms: dict[int, _Room] = {}
        self._show()

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these runs alone; the models of the others keep what they have learned."""
        chosen = torch.tensor(rows, device=self._images.device)
        for part in (self._hidden, self._output, self._input_norm, self._hidden_norm):
            if part is not None:
                part.keep(chosen)
        self.models = [self.models[row] for row in rows]
        self._rooms = {}
        self._show()

    @property
    def needs_statistics(self) -> bool:
        """Whether a run normalises its input, so that `batches` has to know mean and variance of the pixels."""
        return self._input_norm.is_needed

    def batches(
        self, images: Tensor, labels: Tensor, mean: Tensor | None = None, variance: Tensor | None = None
    ) -> Iterator[Batch]:
        """Batches of one size, made ready together. `images` int64 [batches, runs, size]: which ones; `labels`: theirs.

        `mean`, `variance` [batches, runs, 1]: of a batch's pixels, in units of the grey level that stands for 1.0.
        """
        statistics: Iterator[PixelStatistics | None] = repeat(None, len(images))
        if mean is not None and variance is not None:
            whole = self._input_norm.statistics(mean, variance, images.shape[2] * self._images.shape[1])
            statistics = (PixelStatistics(*parts) for parts in zip(*whole, strict=True))
        return map(Batch, images.flatten(1), labels.unsqueeze(2), statistics)

    def update(self, batch: Batch, step: Tensor) -> tuple[Tensor, Tensor]:
        """One update of every run; the summed log-probability of its labels for each, and how many it classified right.

        `step` [runs, 1, 1]: −η / (1 − γ) / size.
        """
        size = batch.labels.shape[2]
        for weight in self._weights:
            weight.begin(in_parts=size > _PART)
        if batch.statistics is not None:
            self._input_norm.begin(self._hidden.values, batch.statistics)
        log_probabilities, hits = self._add_up(batch, step)
        for weight in self._weights:
            weight.follow()
        if self._with_gradients:
            for weight in self._weights:
                weight.divide_gradient(step.flatten() * size)
        return log_probabilities, hits

    def _add_up(self, batch: Batch, step: Tensor) -> tuple[Tensor, Tensor]:
        """Part by part, so that a large batch stays in the cache; at once where a layer is normalised over it."""
        size = batch.labels.shape[2]
        if size <= _PART or self._hidden_norm:
            return self._add(batch.images, batch.labels, step)
        parts = []
        images = batch.images.view(len(step), size)
        for some, labels in zip(images.split(_PART, dim=1), batch.labels.split(_PART, dim=2), strict=True):
            parts.append(self._add(some.flatten(), labels, step))
        log_probabilities, hits = zip(*parts, strict=True)
        return torch.stack(log_probabilities).sum(dim=0), torch.stack(hits).sum(dim=0)

    def _add(self, images: Tensor, labels: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Add what these examples add to the weights; the sums of their log-probabilities, and their hits."""
        room = self._room(labels.shape[2])
        torch.index_select(self._images, 0, images, out=room.grey)
        room.pixels.copy_(room.grey.view_as(room.pixels))
        log_probabilities, hits = self._forward(labels, room)
        self._backward(labels, step, room)
        return log_probabilities, hits

    def _forward(self, labels: Tensor, room: _Room) -> tuple[Tensor, Tensor]:
        """Fills `active`, what the hidden layer puts out, and `logits`. Sums of log-probabilities, and hits."""
        active = room.active
        self._products.multiply(self._hidden.values, room.pixels.transpose(1, 2), 1 / self._level, out=room.sums)
        if self._input_norm.is_needed:
            self._input_norm.forward(room.sums, out=active)
        if self._hidden_norm:
            self._hidden_norm.forward(active)
        active.relu_()
        EXACT.multiply(self._output.values, active, 1.0, out=room.logits)
        log_probabilities = room.logits.log_softmax(dim=1)
        hits = (log_probabilities.max(dim=1, keepdim=True).indices == labels).sum(dim=(1, 2))
        return log_probabilities.gather(1, labels).sum(dim=(1, 2)), hits

    def _backward(self, labels: Tensor, step: Tensor, room: _Room) -> None:
        """δ of the output is σ − e_y. It takes the step with it, so that every gradient that follows has it in it."""
        delta_out = torch.softmax(room.logits, dim=1, out=room.delta_out)
        delta_out.scatter_add_(1, labels, room.minus_ones)
        delta_out.mul_(step)
        delta = room.delta
        EXACT.multiply(self._output.values.transpose(1, 2), delta_out, 1.0, out=delta)
        torch.ops.aten.threshold_backward.grad_input(delta, room.active, 0, grad_input=delta)
        self._output.add_product(delta_out, room.active.transpose(1, 2), EXACT)
        if self._hidden_norm:
            self._hidden_norm.backward(delta)
        if self._input_norm.is_needed:
            self._input_norm.backward(delta, room.sums, self._hidden)
        self._hidden.add_product(delta, room.pixels, self._products, 1 / self._level)

    def _room(self, size: int) -> _Room:
        if size not in self._rooms:
            runs, hidden, pixels = self._hidden.values.shape
            classes = self._output.values.shape[1]
            new, like = self._hidden.values.new_empty, self._hidden.values
            # Without a normalised input, W x is what goes through the relu.
            sums = aligned(runs, hidden, size, like=like)
            self._rooms[size] = _Room(
                grey=torch.empty(runs * size, pixels, dtype=torch.uint8, device=sums.device),
                pixels=new((runs, size, pixels), dtype=self._products.dtype(sums.dtype)),
                sums=sums,
                active=aligned(runs, hidden, size, like=like) if self._input_norm.is_needed else sums,
                delta=aligned(runs, hidden, size, like=like),
                logits=aligned(runs, classes, size, like=like),
                delta_out=aligned(runs, classes, size, like=like),
                minus_ones=new(runs, 1, size).fill_(-1.0),
            )
        return self._rooms[size]

    def _show(self) -> None:
        for row, model in enumerate(self.models):
            self._hidden.show(model.hidden.weight, row)
            self._output.show(model.output.weight, row)
            self._input_norm.norm.show(model.normalize, row)
            if self._hidden_norm:
                self._hidden_norm.norm.show(model.normalize_hidden, row)
