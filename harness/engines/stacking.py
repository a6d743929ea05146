"""Which jobs train as one stack, and how wide a stack is best here. What shares a stack moves no number of a run."""

import copy
import math
import time
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

import torch

from harness.cohort import shape_of
from harness.config import RunConfig
from harness.data import Dataset
from harness.engines.base import Job
from harness.model import MLP, initial_model
from harness.products import Products
from harness.stacked_mlp import Batch, StackedMLP

# No wider than this, so that a stack that dies with its worker is no great loss.
_WIDEST = {"cpu": 16, "cuda": 1_024}
_IMAGES_AT_A_TIME = {"cpu": 4_096, "cuda": 2**20}
_REPEATS, _WORTHWHILE = 5, 0.97


def stacks(
    jobs: Sequence[Job], dataset: Dataset, widest: Callable[[RunConfig], int], workers: int
) -> list[tuple[list[Job], bool]]:
    """The jobs in lists that train together, and whether as a stack (or one alone, by `train`); longest first, where
    `jobs` are.

    Jobs of one shape share stacks, of equal widths, no wider than `widest` says, and narrow enough for every worker to
    have two.
    """
    groups: dict[Hashable, list[Job]] = {}
    for job in jobs:
        shape = shape_of(job.config, dataset)
        groups.setdefault((shape, job.watch_test) if shape else job.name, []).append(job)
    share = math.ceil(len(jobs) / (2 * workers))
    made = []
    for group in groups.values():
        stacked = shape_of(group[0].config, dataset) is not None
        width = min(widest(group[0].config), share) if stacked and len(group) > 1 else 1
        parts = math.ceil(len(group) / width)
        bounds = [len(group) * part // parts for part in range(parts + 1)]
        made += [(group[low:high], stacked) for low, high in pairwise(bounds)]
    position = {job.name: number for number, job in enumerate(jobs)}
    return sorted(made, key=lambda stack: position[stack[0][0].name])


def best_width(config: RunConfig, dataset: Dataset, device: str) -> int:
    """How many runs of this config's shape to stack: doubled as long as a run's update gets cheaper by it. Measured, in
    some tenths of a second, with one thread on a CPU."""
    model = initial_model(config, dataset).to(device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        best, cost = 1, math.inf
        width = 1
        while width <= _WIDEST[device] and width * config.batch_size <= _IMAGES_AT_A_TIME[device]:
            seconds = _seconds_of_an_update(config, dataset, [copy.deepcopy(model) for _ in range(width)]) / width
            if seconds > cost * _WORTHWHILE:
                break
            best, cost = width, seconds
            width *= 2
        return best
    finally:
        torch.set_num_threads(threads)


def _seconds_of_an_update(config: RunConfig, dataset: Dataset, models: Sequence[MLP]) -> float:
    runs, weights = len(models), models[0].hidden.weight
    gamma = weights.new_full((runs,), 0.5)
    stack = StackedMLP(models, dataset.train_inputs, gamma, Products(config.precision))
    drawn = torch.randint(len(dataset.train_labels), (_REPEATS, runs, 1, config.batch_size), device=weights.device)
    some = weights.new_full((runs, 1), 0.5)
    step = weights.new_zeros(runs, 1, 1)
    times = []
    for images in drawn:
        batch = Batch(images.flatten(), dataset.train_labels[images], some, some)
        if weights.is_cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        losses, _hits = stack.update(batch, step)
        losses.tolist()
        times.append(time.perf_counter() - start)
    return min(times)
