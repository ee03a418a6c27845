"""Deleting many old rows in short transactions, so that others do not wait for a long one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from shared.kit.retry import retry_transaction

Limit = TypeVar("Limit")
BATCH_SIZE, MAX_BATCHES = 500, 20
MAX_DELETED = BATCH_SIZE * MAX_BATCHES
"""How many rows one run deletes at most."""


async def delete_in_batches(delete: Callable[[Limit, int], Awaitable[int]], before: Limit) -> int:
    """Call `delete(before, BATCH_SIZE)`, which returns how many rows it has deleted, until that is none; return how many in all.

    Each call is one transaction, and is repeated if that is aborted. A run that is stopped has deleted what it has deleted. Raises
    Unavailable.
    """
    count = 0
    for _ in range(MAX_BATCHES):
        deleted = await retry_transaction(partial(delete, before, BATCH_SIZE))
        if not deleted:
            break
        count += deleted
    return count
