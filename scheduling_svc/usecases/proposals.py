"""Proposals: where the appointments in a leave could go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from scheduling_svc.domain import availability
from scheduling_svc.domain.claims import Claim, Place
from scheduling_svc.domain.diary import EMPTY, Diary, View
from scheduling_svc.domain.leaves import Affected, Block
from scheduling_svc.domain.sheet import Sheet
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.ports import Look
from shared.contracts.grains import DAY, Span, common, instant_of
from shared.contracts.http import Alternative
from shared.contracts.identity import Caller

COLLEAGUES = 20
OFFERED = 2
AFTERWARDS = 31 * DAY


@dataclass(frozen=True, slots=True)
class Proposals:
    """Two colleagues of the same service on the same day, nearest in time first, and the doctor's own next free time after the leave.

    What was proposed for one is as good as taken when the next is asked for (`given`, by doctor and by patient), and so is the leave:
    all proposals can be taken at once.
    """

    look: Look
    by: Caller
    now: datetime
    leave: Block
    given: dict[UUID, list[Place]] = field(default_factory=lambda: defaultdict(list))

    async def for_one(self, claim: Claim) -> Affected:
        assert claim.place is not None
        place = claim.place
        service = await self.look.service(place.service_id)
        found = [] if service is None else await self._found(claim.id, place, service)
        return Affected(claim.id, instant_of(place.visit.start), found)

    async def _found(self, claim_id: UUID, place: Place, service: Service) -> list[Alternative]:
        colleagues = sorted(await self.look.doctors_of(service.id), key=lambda doctor: doctor.id)
        own = await self.look.doctors([place.doctor_id])
        view = View.of(self.by, self.now, patient_id=place.patient_id, but=claim_id)
        others = [doctor for doctor in colleagues if doctor.id != place.doctor_id and doctor.active][:COLLEAGUES]
        chosen = await self._that_day(others, own, place, service, view)
        chosen += await self._afterwards(own, service, view)
        for start, doctor_id in chosen:
            there = Place.of(place.patient_id, service, doctor_id, start)
            self.given[doctor_id].append(there)
            self.given[place.patient_id].append(there)
        return [Alternative(doctor_id=doctor_id, starts_at=instant_of(start)) for start, doctor_id in chosen]

    async def _that_day(
        self, colleagues: list[Doctor], own: list[Doctor], place: Place, service: Service, view: View
    ) -> list[tuple[int, UUID]]:
        parts = own[0].hours.same_day(place.visit.start) if own else [place.visit]
        day = range(parts[0].start, parts[-1].stop)
        sheets = await self._sheets(service, colleagues, day, view)
        away = partial(_away, place.visit.start)
        best = [min(free, key=away) for sheet in sheets if (free := _free(sheet))]
        return sorted(best, key=away)[:OFFERED]

    async def _afterwards(self, own: list[Doctor], service: Service, view: View) -> list[tuple[int, UUID]]:
        sheets = await self._sheets(service, own, range(self.leave.span.stop, self.leave.span.stop + AFTERWARDS), view)
        return [free[0] for sheet in sheets if (free := _free(sheet))][:1]

    async def _sheets(self, service: Service, doctors: list[Doctor], asked: Span, view: View) -> list[Sheet]:
        asked = common(asked, service.open_to(self.now))
        found = await self.look.diaries(service, [doctor.id for doctor in doctors], service.frame(asked), view)
        patient = self._fuller(view.patient_id, service, found) if view.patient_id else EMPTY
        return [Sheet.of(service, doctor, asked, view, self._fuller(doctor.id, service, found), patient) for doctor in doctors]

    def _fuller(self, person: UUID, service: Service, found: Mapping[UUID, Diary]) -> Diary:
        diary = found.get(person, EMPTY).with_proposed(self.given.get(person, ()), person, service)
        return diary.away_in(self.leave.span) if person == self.leave.doctor_id else diary


def _free(sheet: Sheet) -> list[tuple[int, UUID]]:
    return [(start, sheet.doctor.id) for start in availability.starts(sheet)]


def _away(wished: int, start: tuple[int, UUID]) -> tuple[int, int]:
    """How far a start is from the wished one; the first of their ids among equals."""
    return abs(start[0] - wished), start[1].int
