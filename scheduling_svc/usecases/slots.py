"""Listing the starts that can be booked."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from scheduling_svc.domain import availability
from scheduling_svc.domain.availability import Sheet
from scheduling_svc.domain.refusals import NoSuchDoctor, NoSuchReservation, RangeReversed, RangeTooLong, UnknownDoctor
from scheduling_svc.domain.slots import Slot, SlotList
from scheduling_svc.ports import Look
from scheduling_svc.usecases.rulebook import Opened, Rulebook
from shared.contracts.grains import Span, common, grain_from
from shared.contracts.identity import Caller
from shared.kit.clock import Clock

LONGEST = timedelta(days=62)
USUAL = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class SlotQuestion:
    """Which starts of a service are free from `begins` (default: now) up to, not including, `ends` (default: 14 days on).

    `doctor_ids` None: all who offer the service. `but` is an appointment whose own time counts as free. `time_zone` is for showing only.
    """

    service_id: UUID
    doctor_ids: tuple[UUID, ...] | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    time_zone: str | None = None
    but: UUID | None = None
    limit: int = 100

    def starts(self, now: datetime) -> Span:
        begins = self.begins or now
        ends = self.ends or begins + USUAL
        if begins >= ends:
            raise RangeReversed(pointer="/from")
        if ends - begins > LONGEST:
            raise RangeTooLong(pointer="/to", longest_days=LONGEST.days)
        return range(grain_from(begins), grain_from(ends))


@dataclass(frozen=True, slots=True)
class Slots:
    rulebook: Rulebook
    now: Clock

    async def free(self, question: SlotQuestion, by: Caller | None) -> SlotList:
        """Ordered by start, then doctor."""
        now = self.now()
        asked = question.starts(now)
        async with self.rulebook.opened(question.service_id, question.doctor_ids) as opened:
            if question.but is not None:
                await _only_ones_own(opened.look, question.but, by)
            sheets = await _sheets(opened, asked, now=now, but=question.but)
        found = list(islice(heapq.merge(*map(_starts, sheets)), question.limit + 1))
        zones = {doctor.id: question.time_zone or doctor.hours.time_zone for doctor in opened.doctors}
        items = [Slot.of(opened.service, doctor_id, grain, zones[doctor_id]) for grain, doctor_id in found[: question.limit]]
        return SlotList(items, complete=len(found) <= question.limit, generated_at=now)

    async def free_of(self, question: SlotQuestion, by: Caller | None) -> SlotList:
        """As `free`, for the page of a doctor: when nobody knows the doctor, there is no such page."""
        try:
            return await self.free(question, by)
        except UnknownDoctor:
            raise NoSuchDoctor from None


async def _sheets(opened: Opened, asked: Span, *, now: datetime, but: UUID | None) -> list[Sheet]:
    service, doctors = opened.service, opened.doctors
    starts = common(asked, service.open_to(now))
    taken = await opened.look.engagements([doctor.id for doctor in doctors], service.frame(starts), but=but)
    return [Sheet.of(service, doctor, starts, now=now, engagements=taken.get(doctor.id, ())) for doctor in doctors]


def _starts(sheet: Sheet) -> Iterator[tuple[int, UUID]]:
    return ((grain, sheet.doctor.id) for grain in availability.starts(sheet))


async def _only_ones_own(look: Look, appointment_id: UUID, by: Caller | None) -> None:
    """Whose time may be seen as free: one's own, as its patient or doctor; staff may see every one so."""
    claim = await look.claim(appointment_id)
    if by is None or claim is None or not claim.concerns(by):
        raise NoSuchReservation
