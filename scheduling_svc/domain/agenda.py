"""One's own agenda: when one is busy, and with what kind of thing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling_svc.domain.leaves import whole_grains
from scheduling_svc.domain.refusals import RangeReversed, RangeTooLong
from shared.contracts.grains import Span

LONGEST = timedelta(days=62)
USUAL = timedelta(days=14)


class EntryKind(StrEnum):
    """What takes the time."""

    APPOINTMENT = "appointment"
    LEAVE = "leave"
    CLOSURE = "closure"


@dataclass(frozen=True, slots=True)
class Entry:
    """A busy time, [starts_at, ends_at), under the id of its claim; `time_zone` is the doctor's."""

    id: UUID
    kind: EntryKind
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    changed_at: datetime

    @property
    def appointment_id(self) -> UUID | None:
        return self.id if self.kind is EntryKind.APPOINTMENT else None

    @property
    def local_start(self) -> str:
        return f"{self.starts_at.astimezone(ZoneInfo(self.time_zone)):%Y-%m-%dT%H:%M}"


def asked_for(begins: datetime | None, ends: datetime | None, now: datetime) -> Span:
    """Every grain of a range, by default from now and two weeks long; refuses one that is reversed or too long."""
    start = begins or now
    end = ends or start + USUAL
    if start >= end:
        raise RangeReversed(pointer="/from")
    if end - start > LONGEST:
        raise RangeTooLong(pointer="/to", longest_days=LONGEST.days)
    return whole_grains(start, end)
