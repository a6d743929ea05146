"""What an engine sends to its workers, and what they send back. Imports no torch."""

from typing import NamedTuple

from harness.core.config import RunConfig
from harness.core.defaults import MatmulBackend
from harness.engines.base import Job, JobResult


class WorkItem(NamedTuple):
    """Jobs to train, together if `stacked`.

    The worker reports epochs, by number of the job; if it `asks`, it waits for the decision which jobs continue. It
    sends a `JobEnded` for each job.
    """

    jobs: list[Job]
    stacked: bool
    matmul_backend: MatmulBackend
    asks: bool
    attempt: int = 1


class Measure(NamedTuple):
    """A request to measure updates of this config's shape; the answer is that of `stacking.update_costs`."""

    config: RunConfig
    matmul_backend: MatmulBackend


class JobEnded(NamedTuple):
    """A worker's message that one of its jobs has ended."""

    number: int
    result: JobResult
