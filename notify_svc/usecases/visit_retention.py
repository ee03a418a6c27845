"""Deleting what is stored of visits that ended long ago."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from notify_svc.ports.reminders import EndedVisits
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

DELETED_AT_ONCE, MAX_DELETIONS = 500, 20


@dataclass(frozen=True, slots=True)
class NotifiedVisitRetention:
    """Deletes visits that ended more than `keep_days` days ago, with their recipients, and digests of days before that.

    If a visit changes after that, its next event is handled as the first one that is known of it.
    """

    visits: EndedVisits
    keep_days: Callable[[], int]
    now: Clock

    async def delete_old(self) -> int:
        """Delete up to DELETED_AT_ONCE * MAX_DELETIONS visits, and as many digests, in short transactions; return how many."""
        before, count = self.now() - timedelta(days=self.keep_days()), 0
        for _ in range(MAX_DELETIONS):
            visits, digests = await self._delete_some(before)
            count += visits + digests
            if max(visits, digests) < DELETED_AT_ONCE:
                break
        return count

    @retry_on_abort
    async def _delete_some(self, before: datetime) -> tuple[int, int]:
        visits = await self.visits.delete_ended_visits(before, DELETED_AT_ONCE)
        return visits, await self.visits.delete_old_digests(before.date(), DELETED_AT_ONCE)
