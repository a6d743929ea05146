"""The matrix products of a stack of runs, in float32 or bfloat16.

The product of one run has the same bits whatever is stacked with it. For that, the matrices of each run are aligned as
they are when it trains alone, small products and those of a column by a row are computed run by run, and single columns
are multiplied transposed.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from harness.core.defaults import MatmulBackend, Precision

_ONEDNN_THRESHOLD = 16**3  # multiplications of a whole stack above which torch uses oneDNN
_ALIGNMENT = 64  # bytes: the kernels of the libraries depend on it


def aligned(runs: int, *shape: int, like: Tensor) -> Tensor:
    """An empty [runs, …shape] with the type and device of `like`, in which each run's part is aligned."""
    numbers = math.prod(shape)
    step = _ALIGNMENT // like.element_size()
    padded = like.new_empty(runs, -(-numbers // step) * step)
    return padded[:, :numbers].view(runs, *shape)


class BatchedMatmul:
    """Products of batched matrices. "float32" multiplies the operands as they are (float64 too); "bfloat16" rounds both
    factors and the product. An operand that is used twice should have `dtype` already.
    """

    def __init__(self, precision: Precision) -> None:
        self._narrow = torch.bfloat16 if precision == "bfloat16" else None

    def dtype(self, wide: torch.dtype) -> torch.dtype:
        """The type for pixels if the weights are `wide`."""
        return self._narrow or wide

    def multiply(self, left: Tensor, right: Tensor, alpha: float, out: Tensor) -> None:
        """`out` = `alpha` · left · right: [runs, n, k] times [runs, k, m] to [runs, n, m]."""
        if _depends_on_stack(left, right):
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
        if _depends_on_stack(left, right):
            for its, one, other in zip(target.split(1), left.split(1), right.split(1), strict=True):
                self.add(its, one, other, alpha)
        elif self._narrow is None:
            target.baddbmm_(left, right, alpha=alpha)
        else:
            target.add_(torch.bmm(left.to(self._narrow), right.to(self._narrow)), alpha=alpha)


FLOAT32 = BatchedMatmul("float32")


@contextmanager
def use_matmul_backend(name: MatmulBackend) -> Iterator[None]:
    """Compute float32 products on the CPU with this backend. There is no public switch: "medium" precision makes torch
    use oneDNN, which multiplies in float32 if the processor has no narrower unit."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if name == "onednn" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _depends_on_stack(left: Tensor, right: Tensor) -> bool:
    """Whether the bits of this product depend on the size of the stack.

    Torch chooses the library of a small one by that size, and MKL scales a product of one column by one row in another
    order (seen on an Intel Xeon).
    """
    runs, rows, inner = left.shape  # faster than `len`
    return runs > 1 and (inner == 1 or rows * inner * right.shape[2] <= _ONEDNN_THRESHOLD)
