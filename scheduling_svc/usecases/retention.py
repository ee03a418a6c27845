"""Deleting what ended longer ago than the clinic keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scheduling_svc.ports import EndedTimes
from shared.contracts.values import years_before
from shared.kit.batch_deletion import delete_in_batches
from shared.kit.clock import Clock
from shared.kit.logs import log_event


@dataclass(frozen=True, slots=True)
class CalendarRetention:
    """Deletes claims, leaves and closures that ended more than `keep_years` years ago.

    Only claims without grains are deleted, so that no time is freed by it: what is over is archived first.
    """

    times: EndedTimes
    keep_years: Callable[[], int]
    now: Clock

    async def delete_old(self) -> int:
        """Delete up to MAX_DELETED claims, leaves and closures each, in short transactions; return how many."""
        before = years_before(self.now(), self.keep_years())
        claims = await delete_in_batches(self.times.delete_ended_claims, before)
        blocks = await delete_in_batches(self.times.delete_ended_blocks, before)
        if claims or blocks:
            log_event("claims_deleted", claims=claims, leaves_and_closures=blocks)
        return claims + blocks
