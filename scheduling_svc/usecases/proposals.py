"""Proposals: where the appointments in a leave could go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from scheduling_svc.domain import availability
from scheduling_svc.domain.claims import Claim, Place
from scheduling_svc.domain.diary import EMPTY, Engagement, View
from scheduling_svc.domain.leaves import Affected
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

    What was proposed for one is not proposed for another (`given`, and the seats in `seated`), so that all can be taken at once.
    """

    look: Look
    by: Caller
    now: datetime
    leave: Span
    given: dict[UUID, list[Engagement]] = field(default_factory=dict)
    seated: Counter[tuple[UUID, int]] = field(default_factory=Counter)

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
            self._give(service, doctor_id, start)
        return [Alternative(doctor_id=doctor_id, starts_at=instant_of(start)) for start, doctor_id in chosen]

    async def _that_day(
        self, colleagues: list[Doctor], own: list[Doctor], place: Place, service: Service, view: View
    ) -> list[tuple[int, UUID]]:
        parts = own[0].hours.same_day(place.visit.start) if own else [place.visit]
        day = range(parts[0].start, parts[-1].stop)
        sheets = await self._sheets(service, colleagues, day, view)
        away = partial(_away, place.visit.start)
        best = [min(free, key=away) for sheet in sheets if (free := self._free(sheet))]
        return sorted(best, key=away)[:OFFERED]

    async def _afterwards(self, own: list[Doctor], service: Service, view: View) -> list[tuple[int, UUID]]:
        sheets = await self._sheets(service, own, range(self.leave.stop, self.leave.stop + AFTERWARDS), view)
        return [free[0] for sheet in sheets if (free := self._free(sheet))][:1]

    async def _sheets(self, service: Service, doctors: list[Doctor], asked: Span, view: View) -> list[Sheet]:
        asked = common(asked, service.open_to(self.now))
        found = await self.look.diaries(service, [doctor.id for doctor in doctors], service.frame(asked), view)
        patient = found.get(view.patient_id, EMPTY) if view.patient_id else EMPTY
        diaries = [found.get(doctor.id, EMPTY) for doctor in doctors]
        fuller = [
            replace(diary, engagements=[*diary.engagements, *self.given.get(doctor.id, ())])
            for doctor, diary in zip(doctors, diaries, strict=True)
        ]
        return [Sheet.of(service, doctor, asked, view, diary, patient) for doctor, diary in zip(doctors, fuller, strict=True)]

    def _free(self, sheet: Sheet) -> list[tuple[int, UUID]]:
        """Where a seat is left beside those proposed already."""
        starts = ((start, sheet.doctor.id) for start in availability.starts(sheet))
        return [start for start in starts if sheet.remaining(start[0]) > self.seated[start[1], start[0]]]

    def _give(self, service: Service, doctor_id: UUID, start: int) -> None:
        if service.is_shared:
            self.seated[doctor_id, start] += 1
        else:
            visit, span = service.visit(start), service.span(start)
            taken = Engagement(visit.start, visit.stop, span.start, span.stop)
            self.given.setdefault(doctor_id, []).append(taken)


def _away(wished: int, start: tuple[int, UUID]) -> tuple[int, int]:
    """How far a start is from the wished one; the first of their ids among equals."""
    return abs(start[0] - wished), start[1].int
