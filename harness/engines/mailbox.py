"""Messages between the tasks of a Ray cluster and their coordinator: one actor with asynchronous methods.

Imports neither torch nor the harness's training, so that the actor starts at once.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from harness.core.metrics import EpochMetrics
from harness.engines.base import JobResult


class StartReport(NamedTuple):
    """A task has started with work item `item`."""

    item: int


class EpochReport(NamedTuple):
    """Work item `item` trained an epoch: its metrics, by number of the job."""

    item: int
    epochs: Mapping[int, EpochMetrics]


class ResultReport(NamedTuple):
    """A job of work item `item` has ended."""

    item: int
    number: int
    result: JobResult


class Mailbox:
    """Tasks report and wait for an answer; the coordinator takes the reports and answers."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[StartReport | EpochReport | ResultReport] = asyncio.Queue()
        self._answers: dict[int, asyncio.Future[Mapping[int, bool]]] = {}
        self._draining = False

    async def report_start(self, item: int) -> None:
        """Report that a task has started."""
        self._messages.put_nowait(StartReport(item))

    async def report_epoch(self, item: int, epochs: Mapping[int, EpochMetrics], asks: bool) -> Mapping[int, bool]:
        """Report an epoch; the answer says which jobs train on.

        If `asks`, waits for the coordinator's answer; otherwise all train on until it drains.
        """
        self._messages.put_nowait(EpochReport(item, epochs))
        if not asks:
            return dict.fromkeys(epochs, not self._draining)
        answer: asyncio.Future[Mapping[int, bool]] = asyncio.get_running_loop().create_future()
        self._answers[item] = answer
        return await answer

    async def report_result(self, item: int, number: int, result: JobResult) -> None:
        """Report that a job has ended."""
        self._messages.put_nowait(ResultReport(item, number, result))

    async def take(self) -> list[StartReport | EpochReport | ResultReport]:
        """All reports since the last call, at least one, in order of arrival."""
        taken = [await self._messages.get()]
        while not self._messages.empty():
            taken.append(self._messages.get_nowait())
        return taken

    async def answer(self, item: int, train_on: Mapping[int, bool]) -> None:
        """Answer a work item that waits."""
        self._answers.pop(item).set_result(train_on)

    async def drain(self) -> None:
        """Stop the jobs that do not ask."""
        self._draining = True
