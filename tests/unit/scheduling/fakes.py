"""A calendar in memory, and an owner of the rules who answers from two dicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from scheduling_svc.domain.claims import Claim, Session, Take
from scheduling_svc.domain.diary import Diary, Engagement, Group, View
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.leaves import Block, Closure, Leave
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.ports import Overtaken
from shared.contracts.events import Event
from shared.contracts.grains import Span, first_grain_at_or_after
from shared.contracts.http import DoctorRules, ServiceTypeRules

Seat = Claim | Hold


@dataclass
class Memory:
    """Store, look and transaction in one; `meanwhile` is what someone else does before the next thing is written."""

    known: dict[UUID, Any] = field(default_factory=dict)
    claims: dict[UUID, Claim] = field(default_factory=dict)
    kept: dict[UUID, Hold] = field(default_factory=dict)
    blocks: dict[UUID, Block] = field(default_factory=dict)
    taken_leaves: dict[UUID, Leave] = field(default_factory=dict)
    closed: dict[UUID, Closure] = field(default_factory=dict)
    seen: set[UUID] = field(default_factory=set)
    told: list[Event] = field(default_factory=list)
    meanwhile: list[Claim] = field(default_factory=list)
    learned: bool = False

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Memory]:
        yield self

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Memory]:
        """What is not committed did not happen."""
        before = {name: copy(value) for name, value in vars(self).items() if name != "meanwhile"}
        try:
            yield self
        except BaseException:
            vars(self).update(before)
            while self.meanwhile:
                other = self.meanwhile.pop()
                self.claims[other.id] = other
            raise

    # Looking

    async def claim(self, appointment_id: UUID) -> Claim | None:
        return self.claims.get(appointment_id)

    async def hold(self, hold_id: UUID) -> Hold | None:
        return self.kept.get(hold_id)

    async def diaries(self, service: Service, doctor_ids: Collection[UUID], within: Span, view: View) -> Mapping[UUID, Diary]:
        people = {*doctor_ids, *([view.patient_id] if view.patient_id else [])}
        return {person: self._diary(service, person, view) for person in people}

    def _diary(self, service: Service, person: UUID, view: View) -> Diary:
        claims = [claim for claim in self.claims.values() if claim.live and claim.place and claim.id != view.but]
        holds = [hold for hold in self.kept.values() if hold.live and hold.doctor_id == person]
        engagements = [engaged(claim.place) for claim in claims if claim.place and claim.place.doctor_id == person and not claim.session]
        as_patient = [claim.place.visit for claim in claims if claim.place and claim.place.patient_id == person]
        groups = list(self._groups(person, view))
        counted = [claim.place.visit.start for claim in claims if claim.place and not claim.session and is_of(claim.place, service, person)]
        counted += [hold.visit.start for hold in holds if hold.service_id == service.id and not hold.session_id and counts(hold, view)]
        counted += [group.engagement.starts for group in groups if group.service_id == service.id]
        return Diary(
            engagements=[
                *engagements,
                *(Engagement(visit.start, visit.stop, visit.start, visit.stop) for visit in as_patient),
                *(group.engagement for group in groups),
            ],
            away=[(block.span.start, block.span.stop) for block in self.blocks.values() if block.doctor_id == person],
            holds=[hold for hold in holds if hold.stands(view.now)],
            lapsed=[hold for hold in holds if not hold.stands(view.now)],
            groups=groups,
            counted=counted,
        )

    def _groups(self, doctor_id: UUID, view: View) -> Iterator[Group]:
        """Those in which others have a seat."""
        for session, seats in self._sessions().items():
            booked = [seat for seat in seats if isinstance(seat, Claim) and seat.id != view.but]
            held = [seat for seat in seats if isinstance(seat, Hold) and counts(seat, view)]
            if session.doctor_id == doctor_id and booked + held:
                yield Group(session.id, session.service_id, engaged(session), len(booked), len(held))

    def _sessions(self) -> dict[Session, list[Seat]]:
        found: dict[Session, list[Seat]] = {}
        seats: list[Seat] = [*self.claims.values(), *self.kept.values()]
        for seat in seats:
            if seat.live and (session := seat.session):
                found.setdefault(session, []).append(seat)
        return found

    async def affected(self, doctor_ids: Collection[UUID], span: Span, now: datetime, limit: int) -> list[Claim]:
        places = [(claim.place, claim) for claim in self.claims.values() if claim.live and claim.place and not claim.begun]
        ahead = [(place, claim) for place, claim in places if place.visit.start >= first_grain_at_or_after(now)]
        hit = [claim for place, claim in ahead if place.doctor_id in doctor_ids and meet(place.visit, span)]
        return sorted(hit, key=lambda claim: (claim.place.visit.start if claim.place else 0, claim.id))[:limit]

    async def leave(self, leave_id: UUID) -> Leave | None:
        return self.taken_leaves.get(leave_id)

    async def closure(self, closure_id: UUID) -> Closure | None:
        return self.closed.get(closure_id)

    async def service(self, service_id: UUID) -> Service | None:
        rules = self.known.get(service_id)
        return Service.of(rules) if rules else None

    async def doctors(self, ids: Collection[UUID]) -> list[Doctor]:
        return [Doctor.of(self.known[doctor_id]) for doctor_id in set(ids) if doctor_id in self.known]

    async def doctors_of(self, service_id: UUID) -> list[Doctor]:
        return [Doctor.of(rules) for rules in self.known.values() if isinstance(rules, DoctorRules) and service_id in rules.services]

    # Writing

    async def alone(self, *keys: UUID) -> None:
        """Nobody else is here."""

    async def put(self, claim: Claim, standing: Claim | None, *, seats: int = 1) -> None:
        if self.meanwhile or self.claims.get(claim.id) != standing:
            raise Overtaken
        self.claims[claim.id] = claim
        self._one_each(seats)

    async def keep(self, hold: Hold, *, seats: int = 1) -> None:
        self.kept = {key: each for key, each in self.kept.items() if each.live or each.owner_id != hold.owner_id}
        self.kept[hold.id] = hold
        self._one_each(seats)

    def _one_each(self, seats: int) -> None:
        """Overtaken where two ordinary claims would share a grain, or a session has more in it than seats."""
        sessions = self._sessions()
        claims: list[Claim | Hold | Session] = [*self.claims.values(), *(hold for hold in self.kept.values() if hold.live), *sessions]
        taken = Counter((who, grain) for claim in claims for who, span in takes_of(claim) for grain in span)
        if any(count > 1 for count in taken.values()) or any(len(found) > max(seats, 1) for found in sessions.values()):
            raise Overtaken

    async def extend(self, hold: Hold) -> None:
        self.kept[hold.id] = hold

    async def drop(self, hold: Hold) -> None:
        self.kept[hold.id] = replace(hold, live=False)

    async def holds_of(self, owner_id: UUID) -> list[Hold]:
        return [hold for hold in self.kept.values() if hold.live and hold.owner_id == owner_id]

    async def holds_in(self, doctor_id: UUID, span: Span) -> list[Hold]:
        return [hold for hold in self.kept.values() if hold.live and hold.doctor_id == doctor_id and meet(hold.span, span)]

    async def block(self, block: Block) -> None:
        self.blocks[block.id] = block

    async def unblock(self, block: Block) -> None:
        self.blocks.pop(block.id, None)

    async def add_leave(self, leave: Leave) -> None:
        self.taken_leaves[leave.id] = leave

    async def drop_leave(self, leave: Leave) -> None:
        del self.taken_leaves[leave.id]

    async def save_closure(self, closure: Closure) -> None:
        self.closed[closure.id] = closure

    async def closures(self) -> list[Closure]:
        return list(self.closed.values())

    async def add_event(self, event: Event) -> None:
        self.told.append(event)

    async def mark_handled(self, event_id: UUID) -> bool:
        new = event_id not in self.seen
        self.seen.add(event_id)
        return new

    async def learn_doctor(self, rules: DoctorRules) -> bool:
        return self._learn(rules)

    async def learn_service(self, rules: ServiceTypeRules) -> bool:
        return self._learn(rules)

    def _learn(self, rules: DoctorRules | ServiceTypeRules) -> bool:
        new = rules.id not in self.known or self.known[rules.id].version < rules.version
        if new:
            self.known[rules.id] = rules
        return new

    async def note_all_learned(self) -> None:
        self.learned = True

    # The store itself

    async def all_learned(self) -> bool:
        return self.learned

    async def reservations(self, limit: int, after: tuple[str, ...] | None) -> list[Claim]:
        return sorted((claim for claim in self.claims.values() if claim.live), key=lambda claim: claim.id)[:limit]

    async def leaves(self, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
        return [leave for leave in self.taken_leaves.values() if leave.doctor_id == doctor_id][:limit]

    async def all_closures(self, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
        return [closure for closure in self.closed.values() if not closure.lifted][:limit]

    async def doctors_after(self, limit: int, after: UUID | None) -> list[Doctor]:
        doctors = sorted((rules for rules in self.known.values() if isinstance(rules, DoctorRules)), key=lambda rules: rules.id)
        return [Doctor.of(rules) for rules in doctors if after is None or rules.id > after][:limit]


def engaged(place: Any) -> Engagement:
    return Engagement(place.visit.start, place.visit.stop, place.span.start, place.span.stop)


def is_of(place: Any, service: Service, doctor_id: UUID) -> bool:
    return bool(place.doctor_id == doctor_id and place.service_id == service.id)


def counts(hold: Hold, view: View) -> bool:
    return hold.owner_id != view.viewer_id and hold.stands(view.now)


def meet(one: Span, other: Span) -> bool:
    return one.start < other.stop and other.start < one.stop


def takes_of(claim: Claim | Hold | Session) -> list[Take]:
    return [] if isinstance(claim, Claim) and claim.over else claim.takes


@dataclass
class Owner:
    """Who owns the rules; `asked` is what it was asked for."""

    of_doctors: dict[UUID, DoctorRules] = field(default_factory=dict)
    of_services: dict[UUID, ServiceTypeRules] = field(default_factory=dict)
    asked: list[UUID] = field(default_factory=list)

    async def doctor(self, doctor_id: UUID) -> DoctorRules | None:
        self.asked.append(doctor_id)
        return self.of_doctors.get(doctor_id)

    async def service(self, service_id: UUID) -> ServiceTypeRules | None:
        self.asked.append(service_id)
        return self.of_services.get(service_id)

    async def doctors(self) -> AsyncIterator[Sequence[DoctorRules]]:
        for rules in self.of_doctors.values():
            yield [rules]

    async def services(self) -> AsyncIterator[Sequence[ServiceTypeRules]]:
        yield list(self.of_services.values())
