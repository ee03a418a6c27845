"""Asking the calendar: the sheets of some doctors for some starts, and what follows from them when a start is not possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import chain, islice
from typing import Any, NoReturn, Self
from uuid import UUID

from scheduling_svc.domain import availability
from scheduling_svc.domain.availability import Reason
from scheduling_svc.domain.caps import is_one_too_many
from scheduling_svc.domain.claims import Session
from scheduling_svc.domain.diary import EMPTY, Diary, View
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.refusals import NotBookable, SlotHeld
from scheduling_svc.domain.sheet import Sheet
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.ports import Look
from shared.contracts.grains import DAY, Span, grain_of, instant_of, ones, overlap, set_bits, set_bits_descending
from shared.contracts.http import Alternative

NEAR = 7 * DAY
ALTERNATIVES = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A wish for one start: of whom, with which service and doctors, as seen by whom; and the sheets and diaries of that start.

    With several doctors the diaries reach over the whole day, be it of 25 hours, so that the least busy one can be told.
    """

    look: Look
    service: Service
    doctors: Sequence[Doctor]
    starts_at: datetime
    view: View
    sheets: Sequence[Sheet]
    diaries: Sequence[Diary]
    patient: Diary

    @classmethod
    async def of(cls, look: Look, service: Service, doctors: Sequence[Doctor], starts_at: datetime, view: View) -> Self:
        start = grain_of(starts_at)
        judged, asked = judging(service, view, starts_at - instant_of(start)), range(start, start + 1)
        frame = judged[0].frame(asked)
        within = frame if len(doctors) == 1 else range(frame.start - 2 * DAY, frame.stop + 2 * DAY)
        found = await look.diaries(service, [doctor.id for doctor in doctors], within, view)
        patient = found.get(view.patient_id, EMPTY) if view.patient_id else EMPTY
        diaries = [found.get(doctor.id, EMPTY) for doctor in doctors]
        sheets = [Sheet.of(judged[0], doctor, asked, judged[1], diary, patient) for doctor, diary in zip(doctors, diaries, strict=True)]
        return cls(look, service, doctors, starts_at, view, sheets, diaries, patient)

    @property
    def start(self) -> int:
        return grain_of(self.starts_at)

    async def granted(self) -> Doctor:
        """The doctor with whom it is possible: whose time the viewer holds, else the least busy that day, among equals the first by id.

        Refuses where there is none.
        """
        against = [availability.reasons(sheet, self.starts_at) for sheet in self.sheets]
        free = [number for number, reasons in enumerate(against) if not reasons]
        if not free:
            await self._refuse(against)
        return self.doctors[min(free, key=self._rank) if len(free) > 1 else free[0]]

    def giving_way(self, doctor_id: UUID, own: Sequence[Hold] = ()) -> list[Hold]:
        """The holds that a booking with this doctor does away with: in its time, and of the viewer's own what would be one visit too many
        beside it, for none of them was counted."""
        doctor, diary = next((doctor, diary) for doctor, diary in zip(self.doctors, self.diaries, strict=True) if doctor.id == doctor_id)
        ways = (diary, self.service.span(self.start)), (self.patient, self.service.visit(self.start))
        near = [hold for each, span in ways for hold in each.giving_way(span, self.view.viewer_id)]
        alike = [hold for hold in own if (hold.doctor_id, hold.service_id) == (doctor_id, self.service.id)]
        beyond = [hold for hold in alike if is_one_too_many(self.service, doctor.hours, diary.counted, hold.visit.start, self.start)]
        return list({hold.id: hold for hold in near + beyond}.values())

    def _rank(self, number: int) -> tuple[bool, int, int]:
        doctor, diary, sheet = self.doctors[number], self.diaries[number], self.sheets[number]
        return not sheet.is_own(self.start), diary.load(doctor.hours.same_day(self.start)), doctor.id.int

    async def _refuse(self, against: Sequence[Sequence[Reason]]) -> NoReturn:
        conflicts = [availability.conflict(reasons) for reasons in against]
        kind = availability.mildest(filter(None, conflicts))
        if kind is None:
            told = availability.together(against or [availability.NOBODY_OFFERS_IT])
            raise NotBookable(reasons=[reason._asdict() for reason in told])
        held = [number for number, each in enumerate(conflicts) if each is SlotHeld]
        facts: dict[str, Any] = {"available_again_at": min(map(self._held_until, held))} if kind is SlotHeld else {}
        raise kind(alternatives=await self.alternatives(), **facts)

    def _held_until(self, number: int) -> datetime:
        session_id = Session.at(self.service, self.doctors[number].id, self.start).id if self.service.is_shared else None
        return self.diaries[number].held_until(self.service.span(self.start), session_id, self.view.viewer_id) or self.view.now

    async def alternatives(self) -> list[Alternative]:
        """The nearest starts that the same patient could have with the same doctors, in order of time."""
        asked = overlap(range(self.start - NEAR, self.start + NEAR + 1), self.service.open_to(self.view.now))
        sheets = await sheets_of(self.look, self.service, self.doctors, asked, self.view)
        free = sorted(each for sheet in sheets for each in nearest(sheet, self.start))
        chosen = sorted(free, key=lambda each: abs(each[0] - self.start))[:ALTERNATIVES]
        return [Alternative(doctor_id=doctor_id, starts_at=instant_of(grain)) for grain, doctor_id in sorted(chosen)]


def judging(service: Service, view: View, late: timedelta) -> tuple[Service, View]:
    """How a visit that starts so much after its grain is judged there: it reaches into one grain more, and is that much farther ahead."""
    return (replace(service, duration=service.duration + 1), replace(view, now=view.now - late)) if late else (service, view)


async def sheets_of(look: Look, service: Service, doctors: Sequence[Doctor], asked: Span, view: View) -> list[Sheet]:
    """One per doctor, from one look."""
    found = await look.diaries(service, [doctor.id for doctor in doctors], service.frame(asked), view)
    patient = found.get(view.patient_id, EMPTY) if view.patient_id else EMPTY
    return [Sheet.of(service, doctor, asked, view, found.get(doctor.id, EMPTY), patient) for doctor in doctors]


def first_starts(sheets: Sequence[Sheet], limit: int, after: tuple[int, int] | None = None) -> list[tuple[int, UUID, Sheet]]:
    """The first starts of all, by time and then doctor, from a place in that order on; a doctor's sheets must not overlap."""
    found = merge(*map(_starts, sheets), key=_place)
    return list(islice(found if after is None else (each for each in found if _place(each) > after), limit))


def nearest(sheet: Sheet, start: int) -> list[tuple[int, UUID]]:
    """The starts of a doctor that come next to one, before and after it."""
    free, first = availability.free(sheet), sheet.frame.start
    before = max(start - first, 0)
    near = chain(
        islice(set_bits_descending(free & ones(before), first), ALTERNATIVES),
        islice(set_bits(free >> before, first + before), ALTERNATIVES),
    )
    return [(grain, sheet.doctor.id) for grain in near]


def _starts(sheet: Sheet) -> Iterator[tuple[int, UUID, Sheet]]:
    return ((grain, sheet.doctor.id, sheet) for grain in availability.starts(sheet))


def _place(start: tuple[int, UUID, Sheet]) -> tuple[int, int]:
    return start[0], start[1].int
