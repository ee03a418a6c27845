"""Running another transaction between the reads and the writes of this one."""

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
    """Run `work` again while it raises Unavailable, which a use case does when too many transactions race."""
    for _ in range(MAX_REPETITIONS):
        try:
            return await retry_transaction(work)
        except Unavailable:
            continue
    raise AssertionError("the database stayed too busy")


@dataclass
class RunOnce:
    """Starts an action on the first call only. The call waits until the action is done, or `seconds` at most, because the action may wait
    for a lock of the caller."""

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
