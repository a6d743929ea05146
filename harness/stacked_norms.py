"""What normalises in a stack of networks: BatchNorm of all runs, after the hidden layer or on the input.

On the input, whose pixels share one mean and one deviation, nothing is normalised pixel by pixel: with x̂ = s·x + t, the
sums of the hidden layer are s·(W x) + t·(W 1).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from harness.model import Standardize
from harness.stacked_weights import Weight

_NEWEST = 0.1  # the share of the newest batch in BatchNorm's running statistics, torch's default
_EPS = 1e-5  # torch's default


class Norm:
    """BatchNorm over `features` values: weight, bias and running statistics, each [runs, features].

    A part that is no BatchNorm keeps weight 1 and bias 0 and learns nothing; `learned` [runs, 1] is 0 for it, else 1.
    """

    def __init__(self, parts: Sequence[nn.Module], features: int, gamma: Tensor) -> None:
        self.learned = gamma.new_tensor([[float(isinstance(part, _BatchNorm))] for part in parts])

        def stacked(name: str, otherwise: float) -> Tensor:
            default = gamma.new_full((features,), otherwise)
            return torch.stack([
                getattr(part, name).detach() if isinstance(part, _BatchNorm) else default for part in parts
            ])  # fmt: skip

        self.weight, self.bias = Weight(stacked("weight", 1.0), gamma), Weight(stacked("bias", 0.0), gamma)
        self.running_mean, self.running_var = stacked("running_mean", 0.0), stacked("running_var", 1.0)

    def learn(self, weight_change: Tensor, bias_change: Tensor) -> None:
        """Both [runs, features]."""
        self.weight.add(weight_change * self.learned)
        self.bias.add(bias_change * self.learned)

    def track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Into the running statistics: those of one batch, [runs, features], each over `count` values."""
        self.running_mean.lerp_(mean, _NEWEST * self.learned)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), _NEWEST * self.learned)

    def keep(self, rows: Tensor) -> None:
        """Go on with these runs alone."""
        self.weight.keep(rows)
        self.bias.keep(rows)
        self.learned = self.learned.index_select(0, rows)
        self.running_mean = self.running_mean.index_select(0, rows)
        self.running_var = self.running_var.index_select(0, rows)

    def show(self, part: nn.Module, row: int) -> None:
        """Make a model's own BatchNorm a view of its row."""
        if isinstance(part, _BatchNorm):
            assert part.weight is not None
            assert part.bias is not None
            self.weight.show(part.weight, row)
            self.bias.show(part.bias, row)
            part.running_mean, part.running_var = self.running_mean[row], self.running_var[row]


class InputNorm:
    """Plain input, fixed standardisation, or BatchNorm, each run its own: x̂ = s·x + t, s and t one number a run."""

    def __init__(self, given: Sequence[nn.Module], normalize: Sequence[nn.Module], gamma: Tensor) -> None:
        self.norm = Norm(normalize, 1, gamma)
        fixed = [part if isinstance(part, Standardize) else None for part in given]
        self._mean = gamma.new_tensor([[part.mean.item() if part else 0.0] for part in fixed])
        self._sd = gamma.new_tensor([[part.sd.item() if part else 1.0] for part in fixed])
        self.is_needed = bool(self.norm.learned.any()) or any(fixed)

    def keep(self, rows: Tensor) -> None:
        """Go on with these runs alone."""
        self.norm.keep(rows)
        self._mean, self._sd = self._mean.index_select(0, rows), self._sd.index_select(0, rows)

    def begin(self, weights: Tensor, mean: Tensor, variance: Tensor, pixels: int) -> None:
        """A batch begins: `mean`, `variance` [runs, 1] over its `pixels`; `weights` W [runs, hidden, pixels of one]."""
        norm, batch_mean, batch_variance = self.norm, (mean - self._mean) / self._sd, variance / self._sd.square()
        norm.track(batch_mean, batch_variance, pixels)
        self._deviation = self._sd * torch.where(norm.learned > 0, (batch_variance + _EPS).sqrt(), 1.0)
        self._centre = self._mean + self._sd * batch_mean * norm.learned
        self._s = norm.weight.values / self._deviation
        self._t = norm.bias.values - self._s * self._centre
        self._of_ones = weights.sum(dim=2)

    def forward(self, sums: Tensor, out: Tensor) -> None:
        """W x of plain pixels, [runs, size, hidden], to W x̂."""
        torch.mul(sums, self._s.unsqueeze(2), out=out)
        out.add_((self._t * self._of_ones).unsqueeze(1))

    def backward(self, delta: Tensor, sums: Tensor, hidden: Weight) -> None:
        """`delta` at W x̂, [runs, size, hidden], becomes that at W x; what the weights get from t is added to them."""
        total = delta.sum(dim=1)
        along_ones = (total * self._of_ones).sum(dim=1, keepdim=True)
        along_sums = (delta * sums).sum(dim=(1, 2)).unsqueeze(1)
        delta.mul_(self._s.unsqueeze(2))
        hidden.add((self._t * total).unsqueeze(2))
        self.norm.learn((along_sums - self._centre * along_ones) / self._deviation, along_ones)


class HiddenNorm:
    """BatchNorm of the hidden layer's sums, [runs, size, hidden], for all runs of a stack."""

    def __init__(self, parts: Sequence[nn.Module], hidden: int, gamma: Tensor) -> None:
        self.norm = Norm(parts, hidden, gamma)

    def keep(self, rows: Tensor) -> None:
        """Go on with these runs alone."""
        self.norm.keep(rows)

    def forward(self, sums: Tensor) -> None:
        """In place. A batch of one has no spread: it is normalised by the running statistics."""
        size, norm = sums.shape[1], self.norm
        self._is_one = size == 1
        if self._is_one:
            mean, variance = norm.running_mean, norm.running_var
        else:
            mean = sums.mean(dim=1)
            variance = sums.var(dim=1, correction=0)
            norm.track(mean, variance, size)
        self._deviation = (variance + _EPS).sqrt().unsqueeze(1)
        self._normalized = (sums - mean.unsqueeze(1)) / self._deviation
        torch.addcmul(norm.bias.values.unsqueeze(1), self._normalized, norm.weight.values.unsqueeze(1), out=sums)

    def backward(self, delta: Tensor) -> None:
        """In place, from δ behind the normalisation to δ before it."""
        scale = self.norm.weight.values.unsqueeze(1) / self._deviation
        bias_change = delta.sum(dim=1)
        weight_change = (delta * self._normalized).sum(dim=1)
        if not self._is_one:
            size = delta.shape[1]
            delta.sub_(bias_change.unsqueeze(1) / size).sub_(self._normalized * (weight_change.unsqueeze(1) / size))
        delta.mul_(scale)
        self.norm.learn(weight_change, bias_change)
