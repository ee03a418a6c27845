"""Archiving claims whose time is over, so that the table of grains does not grow without limit."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from scheduling_svc.domain.archive import ArchiveCursor, archive_limit
from scheduling_svc.ports import ArchiveStore
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

PAGE_SIZE, MAX_PAGES = 100, 10


@dataclass(frozen=True, slots=True)
class Archive:
    """Claims that ended a day ago or earlier: reservations, sessions, leaves, closures, and expired holds."""

    store: ArchiveStore
    now: Clock

    async def archive_past(self) -> int:
        """Archive up to PAGE_SIZE * MAX_PAGES claims, the oldest first, and return how many. Claims that fail do not prevent the others."""
        before, after, count = archive_limit(self.now()), None, 0
        for _ in range(MAX_PAGES):
            page = await self._list_due(before, after)
            count += sum([await self._try_to_archive(due, before) for due in page])
            if len(page) < PAGE_SIZE:
                break
            after = page[-1]
        return count

    @retry_on_abort
    async def _list_due(self, before: int, after: ArchiveCursor | None) -> list[ArchiveCursor]:
        return await self.store.list_archivable(before, PAGE_SIZE, after)

    async def _try_to_archive(self, due: ArchiveCursor, before: int) -> bool:
        """Archive one claim in a transaction of its own. A failure is logged, so that it does not stop the others."""
        try:
            return await self._archive(due, before)
        except Refusal as refusal:
            log_event("claim_not_archived", claim=str(due.id), code=refusal.code)
        except Exception as error:
            log_event("claim_archiving_failed", logging.ERROR, error=error, claim=str(due.id))
        return False

    @retry_on_abort
    async def _archive(self, due: ArchiveCursor, before: int) -> bool:
        async with self.store.begin() as tx:
            return await tx.archive(due.id, before)
