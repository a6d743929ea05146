"""BatchNorm for a stack of networks, on the input or after the hidden layer.

The input, whose pixels share one mean and one standard deviation, is not normalized pixel by pixel: with x̂ = s·x + t,
the sums of the hidden layer are s·(W x) + t·(W 1).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from harness.training.inputs import Standardize
from harness.training.stacked.weights import Sgd, Weight

_MOMENTUM = 0.1  # of BatchNorm's running statistics, torch's default
_EPS = 1e-5  # torch's default


class Norm:
    """BatchNorm over `features` values: `scale` [runs, 2, features] is its weight and bias, `running`, of the same
    shape, its running mean and variance.

    A run without BatchNorm keeps weight 1 and bias 0; `learned` [runs, 1, 1] is 0 for it, else 1.
    """

    def __init__(self, parts: Sequence[nn.Module], features: int, like: Tensor, sgd: Sgd | None) -> None:
        norms = [part if isinstance(part, _BatchNorm) else None for part in parts]
        ones = like.new_ones(features)
        scale, running = torch.stack([ones, 0 * ones]), torch.stack([0 * ones, ones])
        learned = like.new_tensor([float(norm is not None) for norm in norms])
        self.learned = learned.view(-1, 1, 1)
        self.learns = any(norms)
        self.scale = Weight(
            torch.stack([scale if norm is None else _both(norm.weight, norm.bias) for norm in norms]),
            sgd and sgd._replace(decay=sgd.decay * learned),
        )
        self.running = torch.stack([
            running if norm is None else _both(norm.running_mean, norm.running_var) for norm in norms
        ])  # fmt: skip

    def learn(self, change: Tensor) -> None:
        """Add a change of weight and bias, [runs, 2, features]."""
        self.scale.add(change * self.learned)

    def track(self, statistics: Tensor) -> None:
        """Update the running statistics with the mean and unbiased variance of a batch, [runs, 2, features]."""
        self.running.lerp_(statistics, _MOMENTUM * self.learned)

    def select(self, rows: Tensor) -> None:
        """Keep these runs only."""
        self.scale.select(rows)
        self.learned = self.learned.index_select(0, rows)
        self.running = self.running.index_select(0, rows)

    def bind(self, part: nn.Module, row: int) -> None:
        """Make a model's BatchNorm a view of its row."""
        if isinstance(part, _BatchNorm):
            assert part.weight is not None
            assert part.bias is not None
            self.scale.bind(part.weight, row, 0)
            self.scale.bind(part.bias, row, 1)
            part.running_mean, part.running_var = self.running[row]


class PixelStatistics(NamedTuple):
    """How the pixels of a batch are normalized, in units of the grey level that maps to 1.0.

    `centre`, `deviation` [runs, 1]: x̂ is (x − centre) / deviation, before BatchNorm's weight and bias. `tracked`
    [runs, 2, 1]: the update of the running statistics.
    """

    centre: Tensor
    deviation: Tensor
    tracked: Tensor


class InputNorm:
    """Plain input, fixed standardization or BatchNorm, per run: x̂ = s·x + t, with one s and t for each run."""

    def __init__(
        self, given: Sequence[nn.Module], normalize: Sequence[nn.Module], like: Tensor, sgd: Sgd | None
    ) -> None:
        self.norm = Norm(normalize, 1, like, sgd)
        fixed = [part if isinstance(part, Standardize) else None for part in given]
        self._mean = like.new_tensor([[part.mean.item() if part else 0.0] for part in fixed])
        self._sd = like.new_tensor([[part.sd.item() if part else 1.0] for part in fixed])
        self.is_needed = self.norm.learns or any(fixed)

    def select(self, rows: Tensor) -> None:
        """Keep these runs only."""
        self.norm.select(rows)
        self._mean, self._sd = self._mean.index_select(0, rows), self._sd.index_select(0, rows)

    def statistics(self, mean: Tensor, variance: Tensor, pixels: int) -> PixelStatistics:
        """The statistics of many batches: `mean`, `variance` [batches, runs, 1], each over this many pixels."""
        learned = self.norm.learned.squeeze(2)
        mean, variance = (mean - self._mean) / self._sd, variance / self._sd.square()
        unbiased = variance * (pixels / max(pixels - 1, 1))
        return PixelStatistics(
            centre=self._mean + self._sd * mean * learned,
            deviation=self._sd * torch.where(learned > 0, (variance + _EPS).sqrt(), 1.0),
            tracked=torch.stack([mean, unbiased], dim=2),
        )

    def begin_batch(self, weights: Tensor, statistics: PixelStatistics) -> None:
        """Start a batch; `weights` W: [runs, hidden, pixels]."""
        self._statistics = statistics
        if self.norm.learns:
            self.norm.track(statistics.tracked)
        weight, bias = self.norm.scale.values.unbind(dim=1)
        scale = weight / statistics.deviation
        self._t = torch.addcmul(bias, scale, statistics.centre, value=-1)
        self._s = scale.unsqueeze(2)
        self._of_ones = weights.sum(dim=2)

    def forward(self, sums: Tensor, out: Tensor) -> None:
        """From W x of plain pixels, [runs, hidden, size], to W x̂."""
        torch.addcmul((self._t * self._of_ones).unsqueeze(2), sums, self._s, out=out)

    def backward(self, delta: Tensor, sums: Tensor, hidden: Weight) -> None:
        """Turn `delta` at W x̂, [runs, hidden, size], into that at W x; add the gradient through t to the weights."""
        total = delta.sum(dim=2)
        if self.norm.learns:
            centre, deviation, _ = self._statistics
            along_ones = (total * self._of_ones).sum(dim=1, keepdim=True)
            along_sums = (delta * sums).sum(dim=(1, 2)).unsqueeze(1)
            along_pixels = torch.addcmul(along_sums, centre, along_ones, value=-1).div_(deviation)
            self.norm.learn(torch.stack([along_pixels, along_ones], dim=1))
        delta.mul_(self._s)
        hidden.add((self._t * total).unsqueeze(2))


class HiddenNorm:
    """BatchNorm of the hidden layer's sums, [runs, hidden, size], for all runs of a stack."""

    def __init__(self, parts: Sequence[nn.Module], hidden: int, like: Tensor, sgd: Sgd | None) -> None:
        self.norm = Norm(parts, hidden, like, sgd)

    def select(self, rows: Tensor) -> None:
        """Keep these runs only."""
        self.norm.select(rows)

    def forward(self, sums: Tensor) -> None:
        """Normalize in place. A batch of one, which has no variance, uses the running statistics."""
        size = sums.shape[2]
        self._is_one = size == 1
        if self._is_one:
            mean, variance = self.norm.running.unbind(dim=1)
        else:
            mean = sums.mean(dim=2)
            variance = sums.var(dim=2, correction=0)
            self.norm.track(torch.stack([mean, variance * (size / (size - 1))], dim=1))
        self._deviation = (variance + _EPS).sqrt().unsqueeze(2)
        self._normalized = (sums - mean.unsqueeze(2)) / self._deviation
        weight, bias = self.norm.scale.values.unsqueeze(3).unbind(dim=1)
        torch.addcmul(bias, self._normalized, weight, out=sums)

    def backward(self, delta: Tensor) -> None:
        """Turn δ after the normalization into δ before it, in place."""
        for_bias = delta.sum(dim=2, keepdim=True)
        for_weight = (delta * self._normalized).sum(dim=2, keepdim=True)
        if not self._is_one:
            size = delta.shape[2]
            delta.sub_(for_bias / size).sub_(self._normalized * (for_weight / size))
        delta.mul_(self.norm.scale.values[:, 0].unsqueeze(2) / self._deviation)
        self.norm.learn(torch.cat([for_weight, for_bias], dim=2).transpose(1, 2))


def _both(first: Tensor | None, second: Tensor | None) -> Tensor:
    assert first is not None
    assert second is not None
    return torch.stack([first.detach(), second.detach()])
