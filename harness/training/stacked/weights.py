"""Parameters of many runs, stacked along the first axis, and their update by SGD: momentum, Nesterov's, weight decay.

Momentum is folded into the matrix product. Instead of w and v, w and z = w + γ/(1 − γ)·v are stored. Then v ← γv − η∇L,
w ← w + v becomes z ← z − η/(1 − γ)·∇L, w ← γw + (1 − γ)z: the product that computes a gradient adds it to z directly,
and each run has its own γ.

Nesterov's momentum, as torch.optim writes it, has its parameters ahead of that path: at x + γv = γx + (1 − γ)z, where x
moves as w does above. Weight decay adds λw to ∇L.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from harness.training.stacked.matmul import BatchedMatmul, aligned


class Sgd(NamedTuple):
    """How each run moves, [runs] each: `gamma`, `decay` is λ, and `on_path` is γ for Nesterov's momentum, else 1."""

    gamma: Tensor
    decay: Tensor
    on_path: Tensor


class Weight:
    """One parameter, [runs, …]: `values` is w, `extrapolated` is z. What is added includes the step −η/(1 − γ).

    Between `begin_batch` and `move`, the changes of a batch are added to z, or, if the batch is processed in parts,
    collected first. `gradient`, if it is not None, collects them too. What no run needs is the same tensor as w.

    With `sgd` None nothing moves here: `gradient` alone collects what is added, for an optimizer to use.
    """

    def __init__(self, values: Tensor, sgd: Sgd | None) -> None:
        self.values = _aligned(values)
        self.gradient: Tensor | None = None
        self._moves = sgd is not None
        none = values.new_zeros(len(values))
        sgd = sgd or Sgd(none, none, none + 1)
        self._gamma, self._decay, self._on_path = (part.view(-1, *[1] * (values.dim() - 1)) for part in sgd)
        self._decays = bool(sgd.decay.any())
        self._change: Tensor | None = None  # never reallocated: a CUDA graph writes to it
        self._in_parts = False
        self._targets: list[Tensor] = []
        self._path = _aligned(values) if (sgd.on_path != 1).any() else self.values
        self.extrapolated = _aligned(values) if self._decays or sgd.gamma.any() else self.values

    def begin_batch(self, in_parts: bool) -> None:
        """Start a batch. `in_parts`: w must not change until all parts were added."""
        self._in_parts = in_parts
        if in_parts:
            self._change = _aligned(torch.zeros_like(self.values)) if self._change is None else self._change.zero_()
            self._targets = [self._change]
        else:
            self._targets = [self.extrapolated] if self._moves else []
            if self.gradient is not None:
                self._targets.append(self.gradient.zero_())

    def add(self, change: Tensor) -> None:
        """Add a change, [runs, …]."""
        for target in self._targets:
            target.add_(change)

    def add_product(self, left: Tensor, right: Tensor, matmul: BatchedMatmul, alpha: float = 1.0) -> None:
        """Add `alpha` · left · right, batched matrices."""
        for target in self._targets:
            matmul.add(target, left, right, alpha)

    def move(self, step: Tensor) -> None:
        """Update w from z. `step` [runs]: −η/(1 − γ)."""
        if self._in_parts and self._change is not None:
            if self._moves:
                self.extrapolated.add_(self._change)
            if self.gradient is not None:
                self.gradient.copy_(self._change)
        if self._decays:
            self.extrapolated.addcmul_(self.values, step.view_as(self._gamma) * self._decay)
        if self.extrapolated is not self.values:
            torch.lerp(self.extrapolated, self._path, self._gamma, out=self._path)
        if self._path is not self.values:
            torch.lerp(self.extrapolated, self._path, self._on_path, out=self.values)

    def change_lr(self, factor: Tensor) -> None:
        """Go on with an lr of `factor` [runs] times that before: v, which includes it, becomes as many times longer.

        A run whose factor is 1 keeps every bit.
        """
        if self.extrapolated is self.values:
            return
        factor = factor.view_as(self._gamma)
        ahead = (self.extrapolated - self._path) * factor  # γ/(1 − γ)·v
        path = torch.where(factor == 1, self._path, self.values - (1 - self._on_path) * ahead)
        self.extrapolated.copy_(torch.where(factor == 1, self.extrapolated, path + ahead))
        if self._path is not self.values:
            self._path.copy_(path)

    def track_gradient(self) -> None:
        """Keep the gradient of each update from here on."""
        self.gradient = _aligned(torch.zeros_like(self.values))

    def divide_gradient(self, step: Tensor) -> None:
        """Divide the gradient by the step [runs] that was multiplied into the changes."""
        if self.gradient is not None:
            self.gradient.div_(step.view_as(self._gamma))

    def select(self, rows: Tensor) -> None:
        """Keep these runs only."""
        moves, is_ahead = self.extrapolated is not self.values, self._path is not self.values
        self.values = _aligned(self.values.index_select(0, rows))
        self._path = _aligned(self._path.index_select(0, rows)) if is_ahead else self.values
        self.extrapolated = _aligned(self.extrapolated.index_select(0, rows)) if moves else self.values
        self.gradient = None if self.gradient is None else _aligned(self.gradient.index_select(0, rows))
        self._gamma, self._decay, self._on_path = (
            part.index_select(0, rows) for part in (self._gamma, self._decay, self._on_path)
        )
        self._change = None

    def bind(self, parameter: Tensor, *place: int) -> None:
        """Make a model's parameter a view of its place here, and its `.grad` too if gradients are kept."""
        parameter.data = self.values[place]
        parameter.grad = None if self.gradient is None else self.gradient[place]


def _aligned(values: Tensor) -> Tensor:
    return aligned(*values.shape, like=values).copy_(values)
