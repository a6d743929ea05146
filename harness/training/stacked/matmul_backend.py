"""By which library float32 products are made on a CPU.

torch's own choice, MKL, leaves half of some AMD processors unused. So oneDNN is taken where it is measured to be as
exact, and clearly faster; on some processors torch lets it multiply in narrower units.
"""

import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from harness.core.defaults import Library
from harness.training.stacked.matmul import EXACT, aligned, library

_CLEARLY = 1.15  # times as fast: less could be chance, and the choice should be the same each time on one machine
_AS_EXACT = 4  # times the error, at most: float32 sums in another order have up to about twice as much, TF32 far more
_REPEATS = 7
_RUNS, _SIZES, _PIXELS, _HIDDEN = 4, (32, 128), 784, 128


def choose_library(device: str = "cpu", before: Library | None = None) -> Library:
    """oneDNN where its products are as exact as torch's own choice, independent of the stack, and clearly faster.

    What was chosen `before` is chosen again, unless it is oneDNN and not as exact on this machine. On a GPU there is
    nothing to choose.
    """
    if device != "cpu" or before == "default":
        return "default"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        factors = list(_large_factors())
        usual, other = (_products(name, factors) for name in ("default", "onednn"))
        if all(map(torch.equal, usual, other)):  # the same library
            return "default"
        judged = zip(factors, usual, other, strict=True)
        taken = all(_is_as_good(*both, *made) for both, *made in judged) and (before == "onednn" or _is_faster(factors))
        return "onednn" if taken else "default"
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


def _is_faster(factors: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """In all of them together, each at its best."""
    times: dict[Library, list[list[float]]] = {"default": [], "onednn": []}
    for _ in range(_REPEATS):
        for name, taken in times.items():
            taken.append([_seconds(name, both) for both in factors])
    usual, other = (sum(map(min, zip(*taken, strict=True)), 0.0) for taken in times.values())
    return usual > _CLEARLY * other


def _seconds(name: Library, factors: tuple[Tensor, Tensor]) -> float:
    start = time.perf_counter()
    _products(name, [factors])
    return time.perf_counter() - start


def _product(left: Tensor, right: Tensor) -> Tensor:
    """As a stack makes it."""
    out = aligned(len(left), left.shape[1], right.shape[2], like=left)
    EXACT.multiply(left, right, 1.0, out=out)
    return out
