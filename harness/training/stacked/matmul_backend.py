"""Chooses the library for float32 products on a CPU.

Torch's default, MKL, leaves half of some AMD processors unused. oneDNN is chosen if it is measured to be as exact and
clearly faster. On some processors torch lets it multiply in narrower units, which the measurement detects.
"""

import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from harness.core.defaults import MatmulBackend
from harness.training.stacked.matmul import FLOAT32, aligned, use_matmul_backend

# One machine should always choose the same: Zen 5 measures 2.1 to 2.3, Zen 4 1.11 and up to 1.28 while it is busy.
_MIN_SPEEDUP = 1.3
_NEAR = (1.1, 1.6)  # speedups after which it is measured on
_MAX_ERROR_RATIO = 4  # float32 sums in another order have up to about 2, TF32 far more
_REPEATS, _MOST_REPEATS = 7, 42
_RUNS, _SIZES, _PIXELS, _HIDDEN = 4, (32, 128), 784, 128


def choose_matmul_backend(device: str = "cpu", before: MatmulBackend | None = None) -> MatmulBackend:
    """ "onednn" if its products are as exact as torch's default, independent of the stack, and clearly faster.

    The choice of `before` is kept, unless it is oneDNN and not as exact on this machine. On a GPU it is "default".
    """
    if device != "cpu" or before == "default":
        return "default"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        factors = list(_large_factors())
        default, onednn = (_multiply_all(name, factors) for name in ("default", "onednn"))
        if all(map(torch.equal, default, onednn)):  # the same library
            return "default"
        products = zip(factors, default, onednn, strict=True)
        is_exact = all(_is_as_exact(*both, *results) for both, *results in products)
        return "onednn" if is_exact and (before == "onednn" or _is_faster(factors)) else "default"
    finally:
        torch.set_num_threads(threads)


def _large_factors() -> Iterator[tuple[Tensor, Tensor]]:
    """The factors at the hidden layer of a stack, forward and for the gradient, drawn uniformly from 0…1."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(_RUNS, _HIDDEN, _PIXELS, generator=generator)
    for size in _SIZES:
        pixels = torch.rand(_RUNS, size, _PIXELS, generator=generator)
        yield weights, pixels.transpose(1, 2)
        yield torch.rand(_RUNS, _HIDDEN, size, generator=generator), pixels


def _multiply_all(name: MatmulBackend, factors: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    with use_matmul_backend(name):
        return [_product(left, right) for left, right in factors]


def _is_as_exact(left: Tensor, right: Tensor, default: Tensor, onednn: Tensor) -> bool:
    """Whether the product of oneDNN is as exact as torch's default, and equal to that of each run alone."""
    truth = torch.bmm(left.double(), right.double())
    errors = [float((product - truth).norm()) for product in (default, onednn)]
    each = [(left[run : run + 1], right[run : run + 1]) for run in range(len(left))]
    return errors[1] <= _MAX_ERROR_RATIO * errors[0] and torch.equal(onednn, torch.cat(_multiply_all("onednn", each)))


def _is_faster(factors: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """Whether oneDNN is clearly faster in total, each product at its minimum time."""
    times: dict[MatmulBackend, list[list[float]]] = {"default": [], "onednn": []}
    speedup = _MIN_SPEEDUP
    while len(times["default"]) < _REPEATS or (_NEAR[0] < speedup < _NEAR[1] and len(times["default"]) < _MOST_REPEATS):
        for name, taken in times.items():
            taken.append([_seconds(name, both) for both in factors])
        default, onednn = (sum(map(min, zip(*taken, strict=True)), 0.0) for taken in times.values())
        speedup = default / onednn
    return speedup > _MIN_SPEEDUP


def _seconds(name: MatmulBackend, factors: tuple[Tensor, Tensor]) -> float:
    start = time.perf_counter()
    _multiply_all(name, [factors])
    return time.perf_counter() - start


def _product(left: Tensor, right: Tensor) -> Tensor:
    """The product as a stack computes it."""
    out = aligned(len(left), left.shape[1], right.shape[2], like=left)
    FLOAT32.multiply(left, right, 1.0, out=out)
    return out
