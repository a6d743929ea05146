"""Which orders jobs become, and what becomes of those whose worker died. The same for every engine."""

from collections.abc import Callable, Hashable, Sequence

from harness.cohort import shape_of
from harness.config import RunConfig
from harness.data import Dataset
from harness.defaults import Library
from harness.engines.base import MAX_ATTEMPTS, Ending, Event, Finished, Job, Lost, Started
from harness.engines.orders import Measure, Order
from harness.engines.stacking import stacks
from harness.product_library import choose_library

# What each of some workers answers.
Measured = Callable[[Measure], Sequence[dict[int, float]]]


class Planner:
    """Plans for one dataset and device; measures each shape once. Without `cohort` every job is an order of its own."""

    def __init__(self, dataset: Dataset, device: str, cohort: bool, measured: Measured) -> None:
        self._dataset = dataset
        self._cohort = cohort
        self._measured = measured
        self._costs: dict[Hashable, dict[int, float]] = {}
        self._products: Library = choose_library() if cohort and device == "cpu" else "default"

    def orders(self, jobs: Sequence[Job], asks: bool, workers: int) -> list[Order]:
        """What so many workers should do, in this order; the longest first where something waits for all to end."""
        if not self._cohort:
            return [Order([job], False, "default", asks) for job in jobs]
        made = stacks(jobs, self._dataset, self._seconds, workers, longest_first=asks)
        return [Order(together, stacked, self._products if stacked else "default", asks) for together, stacked in made]

    def again(self, lost: Lost, asks: bool) -> Order:
        """The next attempt of a lost job, alone: whichever of a stack it was that killed the worker, the others get
        through."""
        stacked = self._cohort and shape_of(lost.job.config, self._dataset) is not None
        return Order([lost.job], stacked, self._products if stacked else "default", asks, lost.attempt + 1)

    def _seconds(self, config: RunConfig) -> dict[int, float]:
        """Of the slowest worker, when all are busy."""
        shape = shape_of(config, self._dataset)
        if shape not in self._costs:
            answers = self._measured(Measure(config, self._products))
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
