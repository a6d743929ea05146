"""The large matrix products of a stack of runs: in float32, or in bfloat16 where a config asks for it."""

import torch
from torch import Tensor

from harness.config import Precision


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
        if self._narrow is None:
            torch.baddbmm(out, left, right, beta=0, alpha=alpha, out=out)
        else:
            torch.mul(torch.bmm(left.to(self._narrow), right.to(self._narrow)), alpha, out=out)

    def add(self, target: Tensor, left: Tensor, right: Tensor, alpha: float = 1.0) -> None:
        """`target` += `alpha` · left · right."""
        if self._narrow is None:
            target.baddbmm_(left, right, alpha=alpha)
        else:
            target.add_(torch.bmm(left.to(self._narrow), right.to(self._narrow)), alpha=alpha)


EXACT = Products("float32")
