"""Recording and reading the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from admin_svc.domain.audit import AuditFilter, AuditLine
from admin_svc.domain.audit_chain import first_kept_day
from admin_svc.ports import AuditStore, ChainTransaction, OldAuditLines
from shared.contracts.events import AuditRecorded, PatientMerged
from shared.kit.batch_deletion import delete_in_batches
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """The lines that all services report. They are appended and read, never changed; only AuditRetention deletes lines."""

    store: AuditStore
    now: Clock

    @retry_on_abort
    async def append(self, event: AuditRecorded) -> None:
        """Append the line that an event reports."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await append_to_chain(tx, AuditLine.from_event(event, self.now()))

    @retry_on_abort
    async def record_merge(self, event: PatientMerged) -> None:
        """Record that a patient was merged into another one. The lines about them stay as they are."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await tx.save_merge(event.patient_id, event.into)

    @retry_on_abort
    async def list_lines(self, wanted: AuditFilter, limit: int, after: tuple[str, ...] | None) -> list[AuditLine]:
        """Return up to `limit + 1` lines, newest first; the extra one tells that there is a next page. Raises BadCursor.

        The lines of a person are also those of the patients who were merged into this one.
        """
        if wanted.subject_ids is not None:
            former_ids = [former_id for subject_id in wanted.subject_ids for former_id in await self.store.list_former_ids(subject_id)]
            wanted = replace(wanted, subject_ids=(*wanted.subject_ids, *former_ids))
        return await self.store.list_lines(wanted, limit + 1, after)


async def append_to_chain(tx: ChainTransaction, line: AuditLine) -> None:
    """Append a line at the end of the chain, unless its id is stored already: the stored line stays as it is.

    Other transactions that append wait until this one ends. The first line of a day stores the head of the day before it.
    """
    end = await tx.lock_chain_end()
    if await tx.has_line(line.id):
        return
    new_end, chained = end.append(line)
    if end.day is not None and not end.is_closed and new_end.day != end.day:
        await tx.insert_head(end.head(line.recorded_at))
    await tx.append_line(chained)
    await tx.save_chain_end(new_end)


@dataclass(frozen=True, slots=True)
class AuditRetention:
    """Deletes the lines of recording days that ended more than `keep_years` years ago. Nothing else deletes lines."""

    lines: OldAuditLines
    keep_years: Callable[[], int]
    now: Clock

    async def delete_old(self) -> int:
        """Delete up to MAX_DELETED lines in short transactions, the oldest first; return how many."""
        before = first_kept_day(self.now(), self.keep_years())
        count = await delete_in_batches(self._delete_some, before)
        if count:
            log_event("audit_lines_deleted", lines=count, before=before.isoformat())
        return count

    async def _delete_some(self, before: date, limit: int) -> int:
        return await self.lines.delete_lines(before, self.now(), limit)
