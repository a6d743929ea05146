"""Which jobs train together as a stack: measured update costs, and a short schedule. No result depends on it."""

import copy
import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from itertools import islice, pairwise

import torch

from harness.core.config import RunConfig
from harness.data.dataset import Dataset, training_size
from harness.engines.base import Job
from harness.engines.cost import updates
from harness.engines.work_items import Measure
from harness.training.model import MLP, initial_mlp
from harness.training.probes.registry import read_gradients
from harness.training.stacked.loop import shape_of
from harness.training.stacked.matmul import BatchedMatmul, use_matmul_backend
from harness.training.stacked.mlp import StackedMLP
from harness.training.stacked.weights import Sgd

# Limits of a stack, so that little is lost with a worker and all measured widths fit in memory. Those for a GPU are
# estimates: no GPU was available.
_MAX_WIDTH = {"cpu": 16, "cuda": 512}
_MAX_IMAGES = {"cpu": 1_024, "cuda": 2**16}
_REPEATS, _IN_A_ROW, _WORTHWHILE = 4, 3, 0.97

Seconds = Callable[[RunConfig], dict[int, float]]


def stacks(
    jobs: Sequence[Job], dataset: Dataset, seconds: Seconds, workers: int, longest_first: bool
) -> list[tuple[list[Job], bool]]:
    """The jobs in lists that train together, each with whether it is a stack (otherwise one job, for `train`).

    `seconds` returns the cost of one run's update in a stack of each width. Jobs of one shape start in stacks of the
    cheapest width. Then the longest stacks are halved as long as `workers` finish earlier by that, if each idle worker
    takes the longest waiting stack. Lists are in the order of their first jobs, or, with `longest_first`, the longest
    stack first. If no job shares a stack, jobs keep their order.
    """
    groups: dict[Hashable, list[Job]] = {}
    alone = []
    for job in jobs:
        shape = shape_of(job.config, dataset)
        if shape is None:
            alone.append(([job], False))
        else:
            groups.setdefault((shape, job.watch_test, read_gradients(job.probes)), []).append(job)
    planned = []
    for group in groups.values():
        costs = seconds(group[0].config) if len(group) > 1 else {1: 0.0}
        parts = -(-len(group) // min(costs, key=lambda width: costs[width]))
        planned += _split(group, parts)
    if any(len(stack) > 1 for stack in planned):
        duration = partial(_duration, dataset=dataset, seconds=seconds)
        planned = _balanced(planned, duration, workers)
        if longest_first:
            return [*alone, *((stack, True) for stack in sorted(planned, key=duration, reverse=True))]
    position = {job.name: number for number, job in enumerate(jobs)}
    return sorted([*alone, *((stack, True) for stack in planned)], key=lambda one: position[one[0][0].name])


def _split(jobs: list[Job], parts: int) -> list[list[Job]]:
    bounds = [len(jobs) * part // parts for part in range(parts + 1)]
    return [jobs[low:high] for low, high in pairwise(bounds)]


def _balanced(planned: list[list[Job]], duration: Callable[[list[Job]], float], workers: int) -> list[list[Job]]:
    """Halve the longest stack, or the two longest, … up to the number of workers, as long as that helps."""
    while True:
        now = _end(map(duration, planned), workers)
        by_length = sorted(planned, key=duration, reverse=True)
        wide = [stack for stack in by_length if len(stack) > 1]
        for count in range(1, min(workers, len(wide)) + 1):
            halves = [half for stack in wide[:count] for half in _split(stack, 2)]
            halved = [stack for stack in planned if not any(stack is other for other in wide[:count])] + halves
            if _end(map(duration, halved), workers) < now:
                planned = halved
                break
        else:
            return planned


def _end(durations: "map[float]", workers: int) -> float:
    busy = [0.0] * workers
    for duration in sorted(durations, reverse=True):
        busy[busy.index(min(busy))] += duration
    return max(busy)


def _duration(stack: Sequence[Job], dataset: Dataset, seconds: Seconds) -> float:
    costs = seconds(stack[0].config)
    an_update = costs[max(width for width in costs if width <= len(stack))]
    images = training_size(dataset, stack[0].config.split)
    return an_update * sum(updates(job.config, images) for job in stack)


def update_costs(measure: Measure, dataset: Dataset, device: str) -> dict[int, float]:
    """The measured cost of a run's update in stacks of 1, 2, 4 … runs of its shape: width → seconds.

    Up to the cheapest width, by SGD: what another optimizer adds is the same at any width. Takes some tenths of a
    second, or up to two seconds for a full batch. All workers should measure at the same time, because they share
    caches and memory bandwidth.
    """
    config = measure.config
    model = initial_mlp(config, dataset).to(device)
    widths = [1]
    while 2 * widths[-1] <= min(_MAX_WIDTH[device], _MAX_IMAGES[device] // config.batch_size):
        widths.append(2 * widths[-1])
    measures = {width: _updates(config, dataset, [copy.deepcopy(model) for _ in range(width)]) for width in widths}
    costs = dict.fromkeys(widths, math.inf)
    with use_matmul_backend(measure.matmul_backend):
        for _ in range(_REPEATS):  # in turn, so that a slow moment does not affect one width alone
            for width, seconds in measures.items():
                costs[width] = min(costs[width], next(seconds) / width)
    cheapest = widths[0]
    for width in widths[1:]:
        cheapest = width if costs[width] < _WORTHWHILE * costs[cheapest] else cheapest
    return {width: seconds for width, seconds in costs.items() if width <= cheapest}


def _updates(config: RunConfig, dataset: Dataset, models: Sequence[MLP]) -> Iterator[float]:
    """Seconds of an update of a stack, several times: each the minimum of some in a row, because the weights may not be
    in the cache at first."""
    runs, weights, labels = len(models), models[0].hidden.weight, dataset.train_labels
    sgd = Sgd(weights.new_full((runs,), 0.5), weights.new_zeros(runs), weights.new_ones(runs))
    stack = StackedMLP(models, dataset.train_inputs, sgd, BatchedMatmul(config.precision))
    step = weights.new_zeros(runs, 1, 1)
    count = _REPEATS * _IN_A_ROW
    images = torch.randint(len(labels), (count, runs, config.batch_size), device=weights.device)
    pixels = weights.new_full((count, runs, 1), 0.5) if stack.needs_statistics else None
    batches = stack.batches(images, labels[images], pixels, pixels)
    while row := list(islice(batches, _IN_A_ROW)):
        taken = []
        for batch in row:
            if weights.is_cuda:
                torch.cuda.synchronize()
            start = time.perf_counter()
            sums, _hits = stack.update(batch, step)
            sums.tolist()
            taken.append(time.perf_counter() - start)
        yield min(taken)
