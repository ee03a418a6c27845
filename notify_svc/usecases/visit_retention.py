"""Deleting what is stored of visits that ended long ago."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from notify_svc.ports.reminders import EndedVisits
from shared.kit.batch_deletion import delete_in_batches
from shared.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class NotifiedVisitRetention:
    """Deletes visits that ended more than `keep_days` days ago, with their recipients, and digests of days before that.

    If a visit changes after that, its next event is handled as the first one that is known of it.
    """

    visits: EndedVisits
    keep_days: Callable[[], int]
    now: Clock

    async def delete_old(self) -> int:
        """Delete up to MAX_DELETED visits, and as many digests, in short transactions; return how many."""
        before = self.now() - timedelta(days=self.keep_days())
        visits = await delete_in_batches(self.visits.delete_ended_visits, before)
        return visits + await delete_in_batches(self.visits.delete_old_digests, before.date())
