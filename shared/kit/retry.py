"""Retries of transactions that the database rolled back, for example to resolve a deadlock."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from shared.contracts.refusals import Unavailable

P = ParamSpec("P")
T = TypeVar("T")
MAX_ATTEMPTS = 10
FIRST_PAUSE_SECONDS, MAX_DOUBLINGS = 0.005, 6


class TransactionAborted(Exception):
    """The transaction was rolled back and may run again, for example after a deadlock, a lock wait timeout or a lost connection."""


async def retry_transaction(work: Callable[[], Awaitable[T]], attempts: int = MAX_ATTEMPTS) -> T:
    """Run `work`, and again after each TransactionAborted, with growing random pauses. Raises Unavailable after `attempts` runs."""
    for attempt in range(attempts):
        try:
            return await work()
        except TransactionAborted:
            max_pause = FIRST_PAUSE_SECONDS * 2 ** min(attempt, MAX_DOUBLINGS)
            await asyncio.sleep(random.uniform(0, max_pause))
    raise Unavailable("The database is too busy.", retry_after=1)


def retry_on_abort(use_case: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a use case so that `retry_transaction` runs it.

    The whole use case runs again, so everything that it does outside of the transaction must be harmless to repeat.
    """

    @functools.wraps(use_case)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return await retry_transaction(lambda: use_case(*args, **kwargs))

    return run
