"""Parameters of many runs, stacked along a first axis, and how momentum moves them.

Momentum is kept as w and z = w + γ/(1 − γ)·v. In these, v ← γv − η∇L, w ← w + v reads z ← z − η/(1 − γ)·∇L,
w ← γw + (1 − γ)z: a product that makes a gradient can add it to z at once, and each run has a γ of its own.
"""

import torch
from torch import Tensor

from harness.training.stacked.matmul import Products, aligned


class Weight:
    """One parameter, [runs, …]: `values` w, and `point` z. What is added to z carries the step −η/(1 − γ) in it.

    Between `begin` and `follow`, what a batch adds either goes to z at once, or, for batches that are worked off in
    parts, is put together first. `gradient`, where it is not None, gets all of it too.
    """

    def __init__(self, values: Tensor, gamma: Tensor) -> None:
        self.values = _aligned(values)
        self.gradient: Tensor | None = None
        self._gamma = gamma.view(-1, *[1] * (values.dim() - 1))
        self._change: Tensor | None = None  # stays where it is: a CUDA graph writes to it
        self._in_parts = False
        self._targets: list[Tensor] = []
        self.point = _aligned(values) if gamma.any() else self.values

    def begin(self, in_parts: bool) -> None:
        """A batch begins; `in_parts`: w must stand still until all of it was added."""
        self._in_parts = in_parts
        if in_parts:
            self._change = _aligned(torch.zeros_like(self.values)) if self._change is None else self._change.zero_()
            self._targets = [self._change]
        else:
            self._targets = [self.point]
            if self.gradient is not None:
                self._targets.append(self.gradient.zero_())

    def add(self, change: Tensor) -> None:
        for target in self._targets:
            target.add_(change)

    def add_product(self, left: Tensor, right: Tensor, products: Products, alpha: float = 1.0) -> None:
        """`alpha` · left · right, batched matrices."""
        for target in self._targets:
            products.add(target, left, right, alpha)

    def follow(self) -> None:
        """Move w after z."""
        if self._in_parts and self._change is not None:
            self.point.add_(self._change)
            if self.gradient is not None:
                self.gradient.copy_(self._change)
        if self.point is not self.values:
            torch.lerp(self.point, self.values, self._gamma, out=self.values)

    def keep_gradient(self) -> None:
        """Keep the gradients of updates from here on."""
        self.gradient = _aligned(torch.zeros_like(self.values))

    def divide_gradient(self, step: Tensor) -> None:
        """By what was multiplied into what was added, [runs]."""
        if self.gradient is not None:
            self.gradient.div_(step.view_as(self._gamma))

    def keep(self, rows: Tensor) -> None:
        """Go on with these runs alone."""
        moves = self.point is not self.values
        self.values = _aligned(self.values.index_select(0, rows))
        self.point = _aligned(self.point.index_select(0, rows)) if moves else self.values
        self.gradient = None if self.gradient is None else _aligned(self.gradient.index_select(0, rows))
        self._gamma = self._gamma.index_select(0, rows)
        self._change = None

    def show(self, parameter: Tensor, *place: int) -> None:
        """Make a model's own parameter a view of its place here, and its `.grad` too where gradients are kept."""
        parameter.data = self.values[place]
        parameter.grad = None if self.gradient is None else self.gradient[place]


def _aligned(values: Tensor) -> Tensor:
    return aligned(*values.shape, like=values).copy_(values)
