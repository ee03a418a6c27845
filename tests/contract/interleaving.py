"""What happens in between: another one's deed, begun where a transaction has read and not yet written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.kit.retry import retry_transaction

Deed = Callable[[], Awaitable[object]]


async def nothing() -> None:
    """Happens meanwhile."""


@dataclass
class Once:
    """A deed that begins when it is first met. Who meets it waits until it is done, or a moment only: it may be waiting for them."""

    deed: Deed
    moment: float | None = None
    task: asyncio.Task[object] | None = None

    async def __call__(self) -> None:
        if self.task is None:
            self.task = asyncio.ensure_future(retry_transaction(self.deed, attempts=50))
            await asyncio.wait([self.task], timeout=self.moment)

    async def done(self) -> object:
        assert self.task is not None
        return await self.task
