"""Granting time, moving it and giving it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduling_svc.domain import availability
from scheduling_svc.domain.availability import Sheet
from scheduling_svc.domain.claims import Claim, Engagement, Place
from scheduling_svc.domain.refusals import NoSuchReservation, NotBookable
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.ports import Store
from scheduling_svc.usecases.rulebook import Rulebook
from shared.contracts.grains import DAY, Span, common, grain_of, instant_of
from shared.contracts.http import Alternative, Reservation, Reserve
from shared.kit.clock import Clock

NEAR = 7 * DAY
ALTERNATIVES = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A wish, with all that the decision about it needs to know from elsewhere."""

    appointment_id: UUID
    wish: Reserve
    service: Service
    doctor: Doctor
    now: datetime

    @property
    def people(self) -> tuple[UUID, UUID]:
        return self.wish.doctor_id, self.wish.patient_id

    def sheet(self, asked: Span, engagements: Mapping[UUID, Sequence[Engagement]]) -> Sheet:
        doctors, patients = (engagements.get(person, ()) for person in self.people)
        by_staff = self.wish.by.caller.is_staff
        return Sheet.of(self.service, self.doctor, asked, now=self.now, engagements=doctors, patient=patients, by_staff=by_staff)


@dataclass(frozen=True, slots=True)
class Reservations:
    store: Store
    rulebook: Rulebook
    now: Clock

    async def reserve(self, appointment_id: UUID, wish: Reserve) -> Reservation:
        """Grants the time, or moves the appointment's claim to it; a wish that was answered before gets what stands.

        The rules are read first and the grains' key decides at the end: whoever was overtaken in between looks again (Overtaken).
        """
        start = grain_of(wish.starts_at)
        asked = range(start, start + 1)
        async with self.rulebook.opened(wish.service_id, [wish.doctor_id]) as opened:
            standing = await opened.look.claim(appointment_id)
            if standing is not None and standing.answers(wish):
                return standing.reservation()
            case = Case(appointment_id, wish, opened.service, opened.doctors[0], self.now())
            engagements = await opened.look.engagements(case.people, case.service.frame(asked), but=appointment_id)
        if standing is not None and standing.holds(wish):
            claim = Claim(appointment_id, wish.revision, standing.place)
        else:
            await self._allow(case, case.sheet(asked, engagements))
            claim = Claim(appointment_id, wish.revision, Place.of(wish, case.service))
        async with self.store.begin() as tx:
            await tx.put(claim, standing)
        return claim.reservation()

    async def release(self, appointment_id: UUID, revision: int) -> None:
        """Gives the time back, and leaves word for a wish that is still on its way."""
        async with self.store.look() as look:
            standing = await look.claim(appointment_id)
        none_yet = Claim(appointment_id, revision, None, live=False)
        async with self.store.begin() as tx:
            await tx.put(standing.released(revision) if standing else none_yet, standing)

    async def find(self, appointment_id: UUID) -> Reservation:
        async with self.store.look() as look:
            claim = await look.claim(appointment_id)
        if claim is None:
            raise NoSuchReservation
        return claim.reservation()

    async def live(self, limit: int, after: tuple[str, ...] | None) -> list[Reservation]:
        """In the order of appointment ids; one more than `limit`, if there is."""
        return [claim.reservation() for claim in await self.store.reservations(limit + 1, after)]

    async def _allow(self, case: Case, sheet: Sheet) -> None:
        against = availability.reasons(sheet, case.wish.starts_at)
        if not against:
            return
        conflict = availability.conflict(against)
        if conflict is None:
            raise NotBookable(reasons=[reason._asdict() for reason in against])
        raise conflict(alternatives=await self._alternatives(case))

    async def _alternatives(self, case: Case) -> list[Alternative]:
        """The nearest starts that the same patient could have with the same doctor, in order of time."""
        wished = grain_of(case.wish.starts_at)
        asked = common(range(wished - NEAR, wished + NEAR), case.service.open_to(case.now))
        async with self.store.look() as look:
            engagements = await look.engagements(case.people, case.service.frame(asked), but=case.appointment_id)
        free = availability.starts(case.sheet(asked, engagements))
        nearest = sorted(free, key=lambda grain: abs(grain - wished))[:ALTERNATIVES]
        return [Alternative(doctor_id=case.doctor.id, starts_at=instant_of(grain)) for grain in sorted(nearest)]
