"""Checking that the audit trail is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, timedelta

from admin_svc.domain.audit_chain import (
    SHORTEST_RETENTION_YEARS,
    ChainFault,
    ChainFaultCode,
    DayCheck,
    DayHead,
    first_kept_day,
)
from admin_svc.ports import AuditStore

PAGE = 1000
IsSigned = Callable[[DayHead], bool]
"""Returns whether the signature of a head is one of auth-service for exactly this head."""


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """Reads the whole trail in the order of its chain, and changes nothing. It may run while lines are appended and deleted.

    Lines that were deleted are a fault only if no setting would have allowed it: a clinic may decide later to keep lines for longer.
    """

    store: AuditStore
    is_signed: IsSigned

    async def list_faults(self) -> AsyncIterator[ChainFault]:
        """Yield the faults of all heads and of all days that have lines, in the order of the days.

        Lines that are appended after the call are not read.
        """
        end, previous = await self.store.get_chain_end(), None
        async for head in self._heads():
            for fault in await self._list_faults_of(head, previous):
                yield fault
            previous = head
        if end.day is None or (previous is not None and previous.day >= end.day):
            return
        if end.is_closed:
            yield ChainFault(ChainFaultCode.HEAD_MISSING, end.day)
        assert end.recorded_at is not None
        for fault in await self._list_line_faults(end.head(end.recorded_at), previous, is_open=True):
            yield fault

    async def _heads(self) -> AsyncIterator[DayHead]:
        after: date | None = None
        while heads := await self.store.list_heads_since(after, PAGE):
            for head in heads:
                yield head
            after = heads[-1].day

    async def _list_faults_of(self, head: DayHead, previous: DayHead | None) -> list[ChainFault]:
        """Return the faults of a day that has ended. Its lines are not missed once the retention has begun to delete them."""
        faults = [] if self._is_properly_signed(head) else [ChainFault(ChainFaultCode.SIGNATURE_WRONG, head.day)]
        line_faults = [] if head.lines_deleted_at else await self._list_line_faults(head, previous)
        if line_faults:
            head = (await self.store.list_heads_since(head.day - timedelta(days=1), 1))[0]  # deletion may have begun meanwhile
        if head.lines_deleted_at is None:
            return faults + line_faults
        if head.day >= first_kept_day(head.lines_deleted_at, SHORTEST_RETENTION_YEARS):
            faults.append(ChainFault(ChainFaultCode.LINES_DELETED_EARLY, head.day))
        return faults + DayCheck(head).compare_heads(previous)

    def _is_properly_signed(self, head: DayHead) -> bool:
        """Return whether the head is signed, or waits for its first signature."""
        return (head.signature is None and head.lines_deleted_at is None) or self.is_signed(head)

    async def _list_line_faults(self, head: DayHead, previous: DayHead | None, *, is_open: bool = False) -> list[ChainFault]:
        """Return the faults of the lines of a day, up to the last line of its head, and of the head's place after the one before."""
        check = DayCheck(head, is_open=is_open)
        check.compare_heads(previous)
        position = 0
        while lines := await self.store.list_day_lines(head.day, position, PAGE):
            for line in lines:
                check.compare_line(line)
            position = lines[-1].position
            if is_open and position >= head.lines:
                break
        return check.finish()
