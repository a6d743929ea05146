"""The large matrix products of a stack of runs: in float32, or in bfloat16 where a config asks for it.

Also by which library float32 products are made on a CPU. torch's own choice is MKL, which leaves half of some AMD
processors unused; "medium" precision makes it ask oneDNN instead, which multiplies in float32 where the processor has
no narrower unit for it. So oneDNN is taken where it is measured to be as exact, and clearly faster.

A product of one run should have the same bits whatever is stacked with it. For that its matrices start where they do
when it is alone (`aligned`), small products are made run by run, and single columns are multiplied in another way.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from harness.defaults import Library, Precision

_CLEARLY = 1.15  # times as fast: less could be chance, and the choice should be the same each time on one machine
_AS_EXACT = 4  # times the error, at most: float32 sums in another order have up to about twice as much, TF32 far more
_REPEATS = 7
_RUNS, _SIZES, _PIXELS, _HIDDEN = 4, (32, 128), 784, 128
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
    """Inside, float32 products on the CPU are made by this library."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if name == "onednn" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _is_small(left: Tensor, right: Tensor) -> bool:
    """Whether it depends on the stack by which library torch makes this."""
    return len(left) > 1 and left.shape[1] * left.shape[2] * right.shape[2] <= _FOR_ONEDNN


def choose_library() -> Library:
    """oneDNN where its products are as exact as torch's own choice, independent of the stack, and clearly faster."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        factors = list(_large_factors())
        usual, other = (_products(name, factors) for name in ("default", "onednn"))
        if all(map(torch.equal, usual, other)):  # the same library
            return "default"
        judged = zip(factors, usual, other, strict=True)
        return "onednn" if all(_is_as_good(*both, *made) and _is_faster(*both) for both, *made in judged) else "default"
    finally:
        torch.set_num_threads(threads)


def _large_factors() -> Iterator[tuple[Tensor, Tensor]]:
    """What a stack multiplies at the hidden layer, forward and for the gradient, with numbers drawn from 0 to 1."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(_RUNS, _HIDDEN, _PIXELS, generator=generator)
    for size in _SIZES:
        pixels = torch.rand(_RUNS, size, _PIXELS, generator=generator)
        yield weights, pixels.transpose(1, 2)
        yield torch.rand(_RUNS, _HIDDEN, size, generator=generator), pixels


def _products(name: Library, factors: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    with library(name):
        return [_product(left, right) for left, right in factors]


def _is_as_good(left: Tensor, right: Tensor, usual: Tensor, other: Tensor) -> bool:
    """Whether `other` is as exact as `usual`, and what a run gets alone."""
    truth = torch.bmm(left.double(), right.double())
    errors = [float((product - truth).norm()) for product in (usual, other)]
    each = [(left[run : run + 1], right[run : run + 1]) for run in range(len(left))]
    return errors[1] <= _AS_EXACT * errors[0] and torch.equal(other, torch.cat(_products("onednn", each)))


def _is_faster(left: Tensor, right: Tensor) -> bool:
    times: dict[Library, list[float]] = {"default": [], "onednn": []}
    for _ in range(_REPEATS):
        for name, taken in times.items():
            start = time.perf_counter()
            _products(name, [(left, right)])
            taken.append(time.perf_counter() - start)
    return min(times["default"]) > _CLEARLY * min(times["onednn"])


def _product(left: Tensor, right: Tensor) -> Tensor:
    """As a stack makes it."""
    out = aligned(len(left), left.shape[1], right.shape[2], like=left)
    EXACT.multiply(left, right, 1.0, out=out)
    return out
