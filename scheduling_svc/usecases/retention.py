"""Deleting what ended longer ago than the clinic keeps it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from scheduling_svc.ports import EndedTimes
from shared.contracts.values import years_before
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_transaction

BATCH, MAX_BATCHES = 500, 20


@dataclass(frozen=True, slots=True)
class CalendarRetention:
    """Deletes claims, leaves and closures that ended more than `keep_years` years ago.

    Only claims without grains are deleted, so that no time is freed by it: what is over is archived first.
    """

    times: EndedTimes
    keep_years: Callable[[], int]
    now: Clock

    async def delete_old(self) -> int:
        """Delete up to BATCH * MAX_BATCHES claims, leaves and closures each, in short transactions; return how many."""
        before = years_before(self.now(), self.keep_years())
        claims = await self._delete_batches(self.times.delete_ended_claims, before)
        blocks = await self._delete_batches(self.times.delete_ended_blocks, before)
        if claims or blocks:
            log_event("claims_deleted", claims=claims, leaves_and_closures=blocks)
        return claims + blocks

    async def _delete_batches(self, delete: Callable[[datetime, int], Awaitable[int]], before: datetime) -> int:
        """Delete batch after batch until one is not full. A run that is stopped has deleted what it has deleted."""
        count = 0
        for _ in range(MAX_BATCHES):
            deleted = await retry_transaction(partial(delete, before, BATCH))
            count += deleted
            if deleted < BATCH:
                break
        return count
