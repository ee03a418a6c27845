"""What another transaction does at the moment when this one has read and not yet written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.contracts.refusals import Unavailable
from shared.kit.retry import retry_transaction

T = TypeVar("T")
Action = Callable[[], Awaitable[object]]
MAX_REPETITIONS = 20


async def do_nothing() -> None:
    """Do nothing."""


async def repeat_until_decided(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` until the database decides: among many racing transactions a use case may give up with Unavailable, and its caller
    repeats."""
    for _ in range(MAX_REPETITIONS):
        try:
            return await retry_transaction(work)
        except Unavailable:
            continue
    raise AssertionError("the database stayed too busy")


@dataclass
class Once:
    """An action that begins the first time it is called. The caller waits until it is done, or `seconds` at most: it may wait for the
    caller."""

    action: Action
    seconds: float | None = None
    task: asyncio.Task[object] | None = None

    async def __call__(self) -> None:
        if self.task is None:
            self.task = asyncio.ensure_future(repeat_until_decided(self.action))
            await asyncio.wait([self.task], timeout=self.seconds)

    async def result(self) -> object:
        assert self.task is not None
        return await self.task
