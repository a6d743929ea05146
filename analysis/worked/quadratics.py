"""Losses of two weights, and ways down them: plain numbers for the walkthrough's pictures. Float64, no torch."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Behaviour = Literal["converges", "oscillates", "diverges"]

_DATA_SEED = 420


class FirstStep(NamedTuple):
    """§1.2: a point, the gradient there, its length, and the point after one step."""

    point: Floats
    gradient: Floats
    length: float
    after: Floats


def first_step(point: Sequence[float] = (10, 7.5), gradient: Sequence[float] = (5, 5), lr: float = 1.0) -> FirstStep:
    """A′ = A − η g."""
    start, slope = np.array(point, float), np.array(gradient, float)
    return FirstStep(start, slope, float(np.linalg.norm(slope)), start - lr * slope)


def surface(w1: Floats, w2: Floats) -> Floats:
    """§1.2: L = (2 − w₁ − w₂)² + (4 − 3w₁ − w₂)², 0 at (1, 1)."""
    return (2 - w1 - w2) ** 2 + (4 - 3 * w1 - w2) ** 2


def surface_gradient(w: Floats) -> Floats:
    """∂L/∂(w₁, w₂) of `surface` at w [2]."""
    first, second = 2 - w[0] - w[1], 4 - 3 * w[0] - w[1]
    return np.array([-2 * first - 6 * second, -2 * first - 2 * second])


def descend(
    gradient: Callable[[Floats], Floats], start: Sequence[float], lr: float, gamma: float, steps: int
) -> Floats:
    """§3.2: v ← γv − η∇L, w ← w + v, v₀ = 0; the way [steps + 1, 2]."""
    way = [np.array(start, float)]
    velocity = np.zeros(2)
    for _ in range(steps):
        velocity = gamma * velocity - lr * gradient(way[-1])
        way.append(way[-1] + velocity)
    return np.array(way)


def quadratic_gradient(curvature: Sequence[float]) -> Callable[[Floats], Floats]:
    """Of the bowl Σ cᵢwᵢ²/2."""
    scale = np.array(curvature, float)
    return lambda w: scale * w


def shrink_factor(curvature: float, lr: float, gamma: float) -> tuple[float, Behaviour]:
    """By what factor a step multiplies the distance in the long run along a direction with this curvature.

    The largest root, in size, of z² − (1 + γ − ηc) z + γ = 0; above 1 the way diverges. It oscillates where that root
    is negative or complex (Goh 2017, Why Momentum Really Works, Distill).
    """
    roots = np.roots([1, -(1 + gamma - lr * curvature), gamma])
    largest = roots[int(np.abs(roots).argmax())]
    size = float(np.abs(largest))
    if size > 1:
        return size, "diverges"
    return size, "oscillates" if largest.real < 0 or abs(largest.imag) > 1e-12 else "converges"


def behaviour(way: Floats) -> Behaviour:
    """What a way did along its second direction: end farther out than it began, change sides, or neither."""
    if abs(way[-1, 1]) > abs(way[0, 1]):
        return "diverges"
    return "oscillates" if np.any(way[1:, 1] * way[0, 1] < 0) else "converges"


class Samples(NamedTuple):
    """A line through the origin of two weights, measured with noise: x [n, 2], y [n]."""

    x: Floats
    y: Floats

    def gradient(self, w: Floats, chosen: NDArray[np.int64]) -> Floats:
        """Of the mean of (y − w·x)²/2 over these samples."""
        x, y = self.x[chosen], self.y[chosen]
        return x.T @ (x @ w - y) / len(chosen)

    @property
    def minimum(self) -> Floats:
        """Where the mean over all samples is least."""
        found: Floats = np.linalg.lstsq(self.x, self.y, rcond=None)[0].astype(np.float64)
        return found


def noisy_samples(count: int = 64) -> Samples:
    """64 samples of y = 2x₁ − x₂ with noise, always the same."""
    rng = np.random.default_rng(_DATA_SEED)
    x = rng.normal(size=(count, 2)) * (1.5, 0.7)
    return Samples(x, x @ (2.0, -1.0) + rng.normal(scale=1.5, size=count))


def sampled_way(samples: Samples, batch_size: int, lr: float, steps: int, start: Sequence[float]) -> Floats:
    """Descent by batches that are drawn anew from all samples, shuffled once per epoch; the way [steps + 1, 2]."""
    rng = np.random.default_rng(_DATA_SEED)
    way, waiting = [np.array(start, float)], np.array([], dtype=np.int64)
    for _ in range(steps):
        if len(waiting) < batch_size:
            waiting = rng.permutation(len(samples.y))
        batch, waiting = waiting[:batch_size], waiting[batch_size:]
        way.append(way[-1] - lr * samples.gradient(way[-1], batch))
    return np.array(way)


def path_ratio(way: Floats) -> float:
    """Length of a way over the distance from its start to its end; 1 is straight."""
    return float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum() / np.linalg.norm(way[-1] - way[0]))
