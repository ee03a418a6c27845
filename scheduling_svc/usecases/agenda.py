"""Reading the agenda of an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduling_svc.domain.agenda import AgendaEntry, requested_span
from scheduling_svc.ports import AgendaStore
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class Agenda:
    """The agendas of all accounts."""

    store: AgendaStore
    now: Clock

    @retry_on_abort
    async def list_entries(
        self, account_id: UUID, begins: datetime | None, ends: datetime | None, *, limit: int, after: tuple[str, ...] | None
    ) -> list[AgendaEntry]:
        """Return what overlaps the range (default: 14 days from now), by start: one more than `limit`, if there is one."""
        return await self.store.list_entries(account_id, requested_span(begins, ends, self.now()), limit + 1, after)
