"""What any engine tells its workers to do, and what they say of it. Imports no torch."""

from typing import NamedTuple

from harness.core.config import RunConfig
from harness.core.defaults import Library
from harness.engines.base import Ending, Job


class Order(NamedTuple):
    """Jobs to train, together if `stacked`. The worker reports epochs, by number of the job, and waits to be told who
    trains on if it `asks`; and it says `Ended` for each job."""

    jobs: list[Job]
    stacked: bool
    products: Library
    asks: bool
    attempt: int = 1


class Measure(NamedTuple):
    """What updates of this config's shape cost is asked, with these products; the answer is `update_costs`."""

    config: RunConfig
    products: Library


class Ended(NamedTuple):
    """What a worker says when one of its jobs has ended."""

    number: int
    ending: Ending
