"""Mini-batch SGD on a one-dimensional loss with two basins: the lesson's picture of §4.1, as a toy.

It shows what the noise of mini-batches can do. It is not a network, and proves nothing about one.
"""

import random
import time
from statistics import NormalDist

from harness.core.config import RunConfig
from harness.core.metrics import EpochMetrics, Reading
from harness.core.seeds import derive

TWO_BASINS = "two-basins"
EXAMPLES = 64
TILT, NOISE = 0.15, 2.0
_BARRIER = 0.1545  # the local maximum, between the local basin (right) and the global one (left)
_FAR = 1e6  # beyond it, w³ makes the next step infinite
_START = (0.7, 1.1)  # inside the local basin, whose minimum lies at 0.915

# Example i adds a constant force; all forces sum to 0, so the full batch has none.
_FORCES = [NOISE * NormalDist().inv_cdf((i + 0.5) / EXAMPLES) for i in range(EXAMPLES)]


def loss(w: float) -> float:
    """f(w) = w⁴/4 − w²/2 + 0.15 w: minima at −1.07 (global) and 0.915 (local), the barrier between them at 0.1545."""
    return w**4 / 4 - w**2 / 2 + TILT * w


def descend(config: RunConfig) -> EpochMetrics:
    """One run of SGD with momentum from a seeded start in the local basin, as one epoch's metrics.

    Example i has the loss f(w) + aᵢ w, with 64 fixed aᵢ whose mean is 0 and whose standard deviation is about 2.
    Reading `global_basin` is 1 if the run ends left of the barrier, else 0; `position` is its last w. A run beyond
    |w| = 10⁶ has diverged.
    """
    start = time.perf_counter()
    w = random.Random(derive(config.seed, "weights")).uniform(*_START)  # noqa: S311  # no secret depends on it
    order = random.Random(derive(config.seed, "order"))  # noqa: S311
    velocity, updates, epoch, limit = 0.0, 0, 0, config.updates or float("inf")
    while epoch < config.epochs and updates < limit:
        epoch += 1
        forces = order.sample(_FORCES, EXAMPLES)
        for first in range(0, EXAMPLES, config.batch_size):
            batch = forces[first : first + config.batch_size]
            gradient = w**3 - w + TILT + sum(batch) / len(batch)
            velocity = config.gamma * velocity - config.lr * gradient
            w += velocity
            updates += 1
            if updates == limit or abs(w) > _FAR:
                break
        if abs(w) > _FAR:
            break
    seconds = time.perf_counter() - start
    return EpochMetrics(
        epoch=epoch,
        train_loss=loss(w),
        train_accuracy=0.0,
        val_loss=None,
        val_accuracy=None,
        seconds=seconds,
        samples_per_second=updates * config.batch_size / seconds,
        steps=updates,
        diverged=abs(w) > _FAR,
        readings=(Reading("global_basin", updates, float(w < _BARRIER)), Reading("position", updates, w)),
    )
