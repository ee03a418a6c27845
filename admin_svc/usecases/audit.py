"""Recording and reading the audit trail."""

from __future__ import annotations

from dataclasses import dataclass

from admin_svc.domain.audit import AuditFilter, AuditLine
from admin_svc.ports import AuditStore
from shared.contracts.events import AuditRecorded
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """The lines that all services report. They are appended and read, never changed and never deleted."""

    store: AuditStore
    now: Clock

    @retry_on_abort
    async def append(self, event: AuditRecorded) -> None:
        """Append the line that an event reports."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await tx.append_line(AuditLine.from_event(event, self.now()))

    @retry_on_abort
    async def list_lines(self, wanted: AuditFilter, limit: int, after: tuple[str, ...] | None) -> list[AuditLine]:
        """Return up to `limit + 1` lines, newest first; the extra one tells that there is a next page. Raises BadCursor."""
        return await self.store.list_lines(wanted, limit + 1, after)
