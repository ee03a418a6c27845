"""A transaction that the database undid to break a deadlock is done again, whole."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.contracts.refusals import Unavailable

T = TypeVar("T")
ATTEMPTS = 10


class TransactionAborted(Exception):
    """The database rolled the transaction back through no fault of its content (deadlock, lock wait, lost connection)."""


async def retry_transaction(work: Callable[[], Awaitable[T]], attempts: int = ATTEMPTS) -> T:
    """Runs `work` until it is not aborted; after `attempts` the caller may try later (Unavailable)."""
    for attempt in range(attempts):
        try:
            return await work()
        except TransactionAborted:
            await asyncio.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 6)))
    raise Unavailable("The database is too busy.", retry_after=1)
