"""Which orders jobs become, and what becomes of those whose worker died. The same for every engine."""

from collections.abc import Callable, Hashable, Sequence

from harness.core.config import RunConfig
from harness.core.defaults import Library
from harness.data.dataset import Dataset
from harness.engines.base import MAX_ATTEMPTS, Ending, Event, Finished, Job, Lost, Started
from harness.engines.orders import Measure, Order
from harness.engines.stacking import stacks
from harness.training.stacked.loop import shape_of

# What each of some workers answers.
Measured = Callable[[Measure], Sequence[dict[int, float]]]


class Planner:
    """Plans for one dataset; measures a shape once. `products`: of stacks; None: every job is an order of its own."""

    def __init__(self, dataset: Dataset, products: Library | None, measured: Measured) -> None:
        self._dataset = dataset
        self._products = products
        self._measured = measured
        self._costs: dict[Hashable, dict[int, float]] = {}

    def orders(self, jobs: Sequence[Job], asks: bool, workers: int) -> list[Order]:
        """What so many workers should do, in this order; the longest first where something waits for all to end."""
        if self._products is None:
            return [Order([job], False, "default", asks) for job in jobs]
        made = stacks(jobs, self._dataset, self._seconds, workers, longest_first=asks)
        return [Order(together, stacked, self._products if stacked else "default", asks) for together, stacked in made]

    def again(self, lost: Lost, asks: bool) -> Order:
        """The next attempt of a lost job, alone: whichever of a stack it was that killed the worker, the others get
        through."""
        if self._products is None or shape_of(lost.job.config, self._dataset) is None:
            return Order([lost.job], False, "default", asks, lost.attempt + 1)
        return Order([lost.job], True, self._products, asks, lost.attempt + 1)

    def _seconds(self, config: RunConfig) -> dict[int, float]:
        """Of the slowest worker, when all are busy."""
        shape = shape_of(config, self._dataset)
        if shape not in self._costs:
            answers = self._measured(Measure(config, self._products or "default"))
            widths = set.intersection(*map(set, answers)) if answers else {1}
            self._costs[shape] = {
                width: max((costs[width] for costs in answers), default=0.0) for width in sorted(widths)
            }
        return self._costs[shape]


def started(order: Order) -> list[Started]:
    """What an engine says when it has handed out an order."""
    width, products = (len(order.jobs), order.products) if order.stacked else (0, "")
    return [Started(job, order.attempt, width, products) for job in order.jobs]


def buried(jobs: Sequence[Job], attempt: int, why: str, draining: bool) -> list[Event]:
    """What an engine says of the jobs that a worker had not ended when it died."""
    note = f"{why} in attempt {attempt} of {MAX_ATTEMPTS}"
    if draining:
        return [Finished(job, Ending("stopped", note)) for job in jobs]
    if attempt < MAX_ATTEMPTS:
        return [Lost(job, attempt, note) for job in jobs]
    return [Finished(job, Ending("failed", note)) for job in jobs]
