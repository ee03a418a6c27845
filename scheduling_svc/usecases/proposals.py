"""Proposals: where the appointments in a leave could go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from scheduling_svc.domain import availability
from scheduling_svc.domain.claims import Claim, Place
from scheduling_svc.domain.diary import EMPTY, Diary, View
from scheduling_svc.domain.leaves import Affected, Block
from scheduling_svc.domain.sheet import Sheet
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.ports import Look
from scheduling_svc.usecases.sheets import nearest
from shared.contracts.grains import DAY, Span, instant_of, overlap
from shared.contracts.http import Alternative
from shared.contracts.identity import Caller

AT_ONCE = 20
OFFERED = 2
AFTERWARDS = 31 * DAY


class Offer(NamedTuple):
    """A service, the doctor who goes on leave, and who else offers it."""

    service: Service
    own: Doctor
    colleagues: Sequence[Doctor]


class Wish(NamedTuple):
    """An appointment that needs another time; its patient's diary is without it."""

    place: Place
    view: View
    patient: Diary


@dataclass(frozen=True, slots=True)
class Proposals:
    """Two colleagues of the same service on the same day, nearest in time first, and the doctor's own next free time after the leave.

    What was proposed for one is as good as taken when the next is asked for (`given`, by doctor and by patient), and so is the leave:
    all proposals can be taken at once. Rules and doctors' diaries are read once for all (`offers`, `diaries`).
    """

    look: Look
    by: Caller
    now: datetime
    leave: Block
    given: dict[UUID, list[Place]] = field(default_factory=lambda: defaultdict(list))
    offers: dict[UUID, Offer | None] = field(default_factory=dict)
    diaries: dict[tuple[UUID, Span, UUID], Mapping[UUID, Diary]] = field(default_factory=dict)

    async def for_one(self, claim: Claim) -> Affected:
        assert claim.place is not None
        offer = await self._offer(claim.place.service_id)
        found = [] if offer is None else await self._found(claim.id, claim.place, offer)
        return Affected(claim.id, instant_of(claim.place.visit.start), found)

    async def _offer(self, service_id: UUID) -> Offer | None:
        if service_id not in self.offers:
            self.offers[service_id] = await self._read_offer(service_id)
        return self.offers[service_id]

    async def _read_offer(self, service_id: UUID) -> Offer | None:
        service, own = await self.look.service(service_id), await self.look.doctors([self.leave.doctor_id])
        if service is None or not own:
            return None
        colleagues = [doctor for doctor in await self.look.doctors_of(service_id) if doctor.id != self.leave.doctor_id and doctor.active]
        return Offer(service, own[0], sorted(colleagues, key=lambda doctor: doctor.id))

    async def _found(self, claim_id: UUID, place: Place, offer: Offer) -> list[Alternative]:
        parts = offer.own.hours.same_day(place.visit.start) or [place.visit]
        that_day, afterwards = range(parts[0].start, parts[-1].stop), range(self.leave.span.stop, self.leave.span.stop + AFTERWARDS)
        wish = await self._wish(claim_id, place, offer.service, range(that_day.start, afterwards.stop))
        chosen = await self._that_day(wish, offer, that_day) + await self._next(wish, offer, afterwards)
        for start, doctor_id in chosen:
            there = Place.of(place.patient_id, offer.service, doctor_id, start)
            self.given[doctor_id].append(there)
            self.given[place.patient_id].append(there)
        return [Alternative(doctor_id=doctor_id, starts_at=instant_of(start)) for start, doctor_id in chosen]

    async def _wish(self, claim_id: UUID, place: Place, service: Service, reach: Span) -> Wish:
        view = View.of(self.by, self.now, patient_id=place.patient_id, but=claim_id)
        found = await self.look.diaries(service, [], service.frame(reach), view)
        return Wish(place, view, self._fuller(place.patient_id, service, found))

    async def _that_day(self, wish: Wish, offer: Offer, day: Span) -> list[tuple[int, UUID]]:
        """Some are looked at together, and others only where these are not enough."""
        away, best = partial(_away, wish.place.visit.start), list[tuple[int, UUID]]()
        for at in range(0, len(offer.colleagues), AT_ONCE):
            sheets = await self._sheets(wish, offer.service, offer.colleagues[at : at + AT_ONCE], day)
            best += [min(near, key=away) for sheet in sheets if (near := nearest(sheet, wish.place.visit.start))]
            if len(best) >= OFFERED:
                break
        return sorted(best, key=away)[:OFFERED]

    async def _next(self, wish: Wish, offer: Offer, afterwards: Span) -> list[tuple[int, UUID]]:
        sheets = await self._sheets(wish, offer.service, [offer.own], afterwards)
        first = next(availability.starts(sheets[0]), None)
        return [] if first is None else [(first, offer.own.id)]

    async def _sheets(self, wish: Wish, service: Service, doctors: Sequence[Doctor], asked: Span) -> list[Sheet]:
        asked = overlap(asked, service.open_to(self.now))
        found = await self._diaries(service, doctors, asked)
        diaries = {doctor.id: self._fuller(doctor.id, service, found) for doctor in doctors}
        own = self.leave.doctor_id
        if own in diaries:
            diaries[own] = diaries[own].without(wish.place, own)
        return [Sheet.of(service, doctor, asked, wish.view, diaries[doctor.id], wish.patient) for doctor in doctors]

    async def _diaries(self, service: Service, doctors: Sequence[Doctor], asked: Span) -> Mapping[UUID, Diary]:
        key = service.id, asked, doctors[0].id
        if key not in self.diaries:
            ids, view = [doctor.id for doctor in doctors], View.of(self.by, self.now)
            self.diaries[key] = await self.look.diaries(service, ids, service.frame(asked), view)
        return self.diaries[key]

    def _fuller(self, person: UUID, service: Service, found: Mapping[UUID, Diary]) -> Diary:
        diary = found.get(person, EMPTY).with_proposed(self.given.get(person, ()), person, service)
        return diary.away_in(self.leave.span) if person == self.leave.doctor_id else diary


def _away(wished: int, start: tuple[int, UUID]) -> tuple[int, int]:
    """How far a start is from the wished one; the first of their ids among equals."""
    return abs(start[0] - wished), start[1].int
