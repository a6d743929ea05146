"""The large matrix products of a stack of runs: in float32, or in bfloat16 where a config asks for it.

A product of one run should have the same bits whatever is stacked with it. For that its matrices start where they do
when it is alone (`aligned`), small products are made run by run, and single columns are multiplied in another way.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from harness.core.defaults import Library, Precision

_FOR_ONEDNN = 16**3  # torch hands over products of more than so many multiplications, those of a whole stack
_ALIGNMENT = 64  # bytes: what the libraries' kernels tell apart


def aligned(runs: int, *shape: int, like: Tensor) -> Tensor:
    """An empty [runs, …shape] of the type and on the device of `like`, in which each run's part starts aligned."""
    numbers = math.prod(shape)
    step = _ALIGNMENT // like.element_size()
    padded = like.new_empty(runs, -(-numbers // step) * step)
    return padded[:, :numbers].view(runs, *shape)


class Products:
    """Products of batched matrices; the operand that is used twice, `pixels`, should be made with `dtype`.

    float32 (or float64, as the operands are) multiplies them as they are; bfloat16 rounds both factors and the product.
    """

    def __init__(self, precision: Precision) -> None:
        self._narrow = torch.bfloat16 if precision == "bfloat16" else None

    def dtype(self, wide: torch.dtype) -> torch.dtype:
        """What the pixels are to be kept in, where the weights are `wide`."""
        return self._narrow or wide

    def multiply(self, left: Tensor, right: Tensor, alpha: float, out: Tensor) -> None:
        """`alpha` · left · right into `out`: [runs, n, k] times [runs, k, m] to [runs, n, m]."""
        if _is_small(left, right):
            for one, other, its in zip(left.split(1), right.split(1), out.split(1), strict=True):
                self.multiply(one, other, alpha, its)
            return
        if out.shape[2] == 1:
            left, right, out = right.reshape(len(out), 1, -1), left.transpose(1, 2), out.transpose(1, 2)
        if self._narrow is None:
            torch.baddbmm(out, left, right, beta=0, alpha=alpha, out=out)
        else:
            torch.mul(torch.bmm(left.to(self._narrow), right.to(self._narrow)), alpha, out=out)

    def add(self, target: Tensor, left: Tensor, right: Tensor, alpha: float = 1.0) -> None:
        """`target` += `alpha` · left · right."""
        if _is_small(left, right):
            for its, one, other in zip(target.split(1), left.split(1), right.split(1), strict=True):
                self.add(its, one, other, alpha)
        elif self._narrow is None:
            target.baddbmm_(left, right, alpha=alpha)
        else:
            target.add_(torch.bmm(left.to(self._narrow), right.to(self._narrow)), alpha=alpha)


EXACT = Products("float32")


@contextmanager
def library(name: Library) -> Iterator[None]:
    """Inside, float32 products on the CPU are made by this library. "medium" precision makes torch ask oneDNN, which
    multiplies in float32 where the processor has no narrower unit for it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if name == "onednn" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _is_small(left: Tensor, right: Tensor) -> bool:
    """Whether it depends on the stack by which library torch makes this."""
    runs, rows, inner = left.shape  # `len` of a tensor takes a while
    return runs > 1 and rows * inner * right.shape[2] <= _FOR_ONEDNN
