"""What passes between the tasks of a Ray cluster and their coordinator: one actor, with asynchronous methods.

Imports neither torch nor the harness's training, so that the actor starts at once.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from harness.core.metrics import EpochMetrics
from harness.engines.base import Ending


class Began(NamedTuple):
    """A task has begun with `order`."""

    order: int


class Report(NamedTuple):
    """`order` trained an epoch: its records, by number of the job."""

    order: int
    epochs: Mapping[int, EpochMetrics]


class End(NamedTuple):
    """A job of `order` has ended."""

    order: int
    number: int
    ending: Ending


class Mailbox:
    """Tasks report and wait for an answer; the coordinator takes what was reported, and answers."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Began | Report | End] = asyncio.Queue()
        self._answers: dict[int, asyncio.Future[Mapping[int, bool]]] = {}
        self._draining = False

    async def began(self, order: int) -> None:
        """A task has begun."""
        self._messages.put_nowait(Began(order))

    async def report(self, order: int, epochs: Mapping[int, EpochMetrics], asks: bool) -> Mapping[int, bool]:
        """Who trains on. Waits for the coordinator to say so if `asks`; otherwise all do, until it drains."""
        self._messages.put_nowait(Report(order, epochs))
        if not asks:
            return dict.fromkeys(epochs, not self._draining)
        answer: asyncio.Future[Mapping[int, bool]] = asyncio.get_running_loop().create_future()
        self._answers[order] = answer
        return await answer

    async def ended(self, order: int, number: int, ending: Ending) -> None:
        """A job has ended."""
        self._messages.put_nowait(End(order, number, ending))

    async def take(self) -> list[Began | Report | End]:
        """All messages since the last call, at least one, in the order in which they came."""
        taken = [await self._messages.get()]
        while not self._messages.empty():
            taken.append(self._messages.get_nowait())
        return taken

    async def answer(self, order: int, verdicts: Mapping[int, bool]) -> None:
        """Let `order`, which waits, train on."""
        self._answers.pop(order).set_result(verdicts)

    async def drain(self) -> None:
        """Let nobody train on who does not ask."""
        self._draining = True
