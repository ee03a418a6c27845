"""The agenda of one account: when its owner is busy, and with which kind of entry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from scheduling_svc.domain.leaves import grains_touched
from shared.contracts.grains import Span
from shared.contracts.ranges import check_range
from shared.contracts.values import local_start

MAX_RANGE = timedelta(days=62)
DEFAULT_RANGE = timedelta(days=14)


class EntryKind(StrEnum):
    """What takes the time."""

    APPOINTMENT = "appointment"
    LEAVE = "leave"
    CLOSURE = "closure"


@dataclass(frozen=True, slots=True)
class AgendaEntry:
    """A busy time from `starts_at` up to `ends_at`, with the id of its claim; `time_zone` is that of the doctor.

    `session_id` names the group session, if the account is its doctor; there is an entry for each of its patients.
    """

    id: UUID
    kind: EntryKind
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    changed_at: datetime
    is_requested: bool = False
    session_id: UUID | None = None

    @property
    def appointment_id(self) -> UUID | None:
        """The id of the appointment; None for a leave and a closure."""
        return self.id if self.kind is EntryKind.APPOINTMENT else None

    @property
    def local_start(self) -> str:
        """The start on the wall clock of `time_zone`, such as 2026-03-09T09:00."""
        return local_start(self.starts_at, self.time_zone)


def requested_span(begins: datetime | None, ends: datetime | None, now: datetime) -> Span:
    """Return every grain of a range, by default 14 days from now. Raise RangeReversed, or RangeTooLong beyond 62 days."""
    start = begins or now
    end = ends or start + DEFAULT_RANGE
    check_range(start, end, MAX_RANGE)
    return grains_touched(start, end)
