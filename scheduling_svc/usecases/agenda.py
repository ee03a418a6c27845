"""Looking into one's own calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduling_svc.domain.agenda import Entry, asked_for
from scheduling_svc.ports import Calendars
from shared.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Agendas:
    calendars: Calendars
    now: Clock

    async def of(
        self, account_id: UUID, begins: datetime | None, ends: datetime | None, limit: int, after: tuple[str, ...] | None
    ) -> list[Entry]:
        """What overlaps the range, by start; one more than `limit`, if there is."""
        return await self.calendars.entries(account_id, asked_for(begins, ends, self.now()), limit + 1, after)
