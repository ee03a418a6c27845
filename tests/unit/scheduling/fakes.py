"""A calendar in memory, and an owner of the rules who answers from two dicts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from scheduling_svc.domain.claims import Claim, Engagement
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.ports import Overtaken
from shared.contracts.grains import Span
from shared.contracts.http import DoctorRules, ServiceRules


@dataclass
class Memory:
    """Store, look and transaction in one; `meanwhile` is what someone else does just before the next transaction."""

    known: dict[UUID, Any] = field(default_factory=dict)
    claims: dict[UUID, Claim] = field(default_factory=dict)
    seen: set[UUID] = field(default_factory=set)
    meanwhile: list[Claim] = field(default_factory=list)
    learned: bool = False

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Memory]:
        yield self

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Memory]:
        while self.meanwhile:
            other = self.meanwhile.pop()
            self.claims[other.appointment_id] = other
        yield self

    async def claim(self, appointment_id: UUID) -> Claim | None:
        return self.claims.get(appointment_id)

    async def engagements(self, people: Collection[UUID], within: Span, *, but: UUID | None = None) -> Mapping[UUID, Sequence[Engagement]]:
        found: dict[UUID, list[Engagement]] = {person: [] for person in people}
        for claim in self.claims.values():
            if claim.live and claim.place and claim.appointment_id != but:
                visit, span = claim.place.visit, claim.place.span
                found.setdefault(claim.place.doctor_id, []).append(Engagement(visit.start, visit.stop, span.start, span.stop))
                found.setdefault(claim.place.patient_id, []).append(Engagement(visit.start, visit.stop, visit.start, visit.stop))
        return found

    async def put(self, claim: Claim, standing: Claim | None) -> None:
        if self.claims.get(claim.appointment_id) != standing:
            raise Overtaken
        mine = set(claim.place.grains()) if claim.live and claim.place else set()
        for other in self.claims.values():
            if other.appointment_id != claim.appointment_id and other.live and other.place and mine & set(other.place.grains()):
                raise Overtaken
        self.claims[claim.appointment_id] = claim

    async def service(self, service_id: UUID) -> Service | None:
        rules = self.known.get(service_id)
        return Service.of(rules) if rules else None

    async def doctors(self, ids: Collection[UUID]) -> list[Doctor]:
        return [Doctor.of(self.known[doctor_id]) for doctor_id in set(ids) if doctor_id in self.known]

    async def doctors_of(self, service_id: UUID) -> list[Doctor]:
        return [Doctor.of(rules) for rules in self.known.values() if isinstance(rules, DoctorRules) and service_id in rules.services]

    async def first_time(self, event_id: UUID) -> bool:
        new = event_id not in self.seen
        self.seen.add(event_id)
        return new

    async def learn_doctor(self, rules: DoctorRules) -> None:
        await self.learn_service(rules)

    async def learn_service(self, rules: Any) -> None:
        if rules.id not in self.known or self.known[rules.id].version < rules.version:
            self.known[rules.id] = rules

    async def note_all_learned(self) -> None:
        self.learned = True

    async def all_learned(self) -> bool:
        return self.learned

    async def reservations(self, limit: int, after: tuple[str, ...] | None) -> list[Claim]:
        return sorted((claim for claim in self.claims.values() if claim.live), key=lambda claim: claim.appointment_id)[:limit]


@dataclass
class Owner:
    """Who owns the rules; `asked` is what it was asked for."""

    of_doctors: dict[UUID, DoctorRules] = field(default_factory=dict)
    of_services: dict[UUID, ServiceRules] = field(default_factory=dict)
    asked: list[UUID] = field(default_factory=list)

    async def doctor(self, doctor_id: UUID) -> DoctorRules | None:
        self.asked.append(doctor_id)
        return self.of_doctors.get(doctor_id)

    async def service(self, service_id: UUID) -> ServiceRules | None:
        self.asked.append(service_id)
        return self.of_services.get(service_id)

    async def doctors(self) -> AsyncIterator[Sequence[DoctorRules]]:
        for rules in self.of_doctors.values():
            yield [rules]

    async def services(self) -> AsyncIterator[Sequence[ServiceRules]]:
        yield list(self.of_services.values())
