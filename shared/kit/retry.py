"""Runs a transaction again when the database aborted it, for example to break a deadlock."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from shared.contracts.refusals import Unavailable

P = ParamSpec("P")
T = TypeVar("T")
ATTEMPTS = 10
SHORTEST_PAUSE_SECONDS, MOST_DOUBLINGS = 0.005, 6


class TransactionAborted(Exception):
    """The database rolled the transaction back for a reason that may pass: a deadlock, a lock wait, a lost connection, a lost race."""


async def retry_transaction(work: Callable[[], Awaitable[T]], attempts: int = ATTEMPTS) -> T:
    """Run `work`, and again after a short random pause while it raises TransactionAborted.

    `work` opens its own transaction, and has no effect outside of it. Raises Unavailable after `attempts` runs.
    """
    for attempt in range(attempts):
        try:
            return await work()
        except TransactionAborted:
            longest_pause = SHORTEST_PAUSE_SECONDS * 2 ** min(attempt, MOST_DOUBLINGS)
            await asyncio.sleep(random.uniform(0, longest_pause))
    raise Unavailable("The database is too busy.", retry_after=1)


def retry_on_abort(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a use-case method so that `retry_transaction` runs it: it is called again, whole, while its transaction is aborted."""

    @functools.wraps(method)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return await retry_transaction(lambda: method(*args, **kwargs))

    return run
