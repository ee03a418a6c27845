"""A calendar in memory, and an owner of the rules that answers from two dictionaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from scheduling_svc.domain.busy_times import BookedTime, BusyTimes, GroupOccupancy
from scheduling_svc.domain.claims import BookedSlot, Claim, GroupSession, ResourceSpan
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.leaves import Closure, Leave, TimeBlock
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import LostRace
from shared.contracts.events import Event
from shared.contracts.grains import Span, first_grain_at_or_after
from shared.contracts.http import DoctorRules, PatientSummary, ServiceTypeRules
from shared.contracts.relayed_refusals import NoSuchPatient

Seat = Claim | Hold


@dataclass
class InMemoryCalendar:
    """Store, reader and transaction in one. `concurrent_claims` are written by another transaction before the next write of this one.

    `merged` are the claims whose patient may have others at the same time, because two patients were merged.
    """

    known: dict[UUID, Any] = field(default_factory=dict)
    claims: dict[UUID, Claim] = field(default_factory=dict)
    holds: dict[UUID, Hold] = field(default_factory=dict)
    blocks: dict[UUID, TimeBlock] = field(default_factory=dict)
    leaves: dict[UUID, Leave] = field(default_factory=dict)
    closures: dict[UUID, Closure] = field(default_factory=dict)
    handled_events: set[UUID] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    concurrent_claims: list[Claim] = field(default_factory=list)
    all_rules_saved: bool = False
    merged: set[UUID] = field(default_factory=set)
    merged_patients: dict[UUID, UUID] = field(default_factory=dict)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[InMemoryCalendar]:
        yield self

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InMemoryCalendar]:
        """Undo everything that is not committed."""
        before = {name: copy(value) for name, value in vars(self).items() if name != "concurrent_claims"}
        try:
            yield self
        except BaseException:
            vars(self).update(before)
            while self.concurrent_claims:
                other = self.concurrent_claims.pop()
                self.claims[other.id] = other
            raise

    # Reads

    async def find_claim(self, appointment_id: UUID) -> Claim | None:
        return self.claims.get(appointment_id)

    async def find_hold(self, hold_id: UUID) -> Hold | None:
        return self.holds.get(hold_id)

    async def list_busy_times(
        self, service: ServiceTerms, doctor_ids: Collection[UUID], within: Span, viewer: Viewer
    ) -> Mapping[UUID, BusyTimes]:
        people = {*doctor_ids, *([viewer.patient_id] if viewer.patient_id else [])}
        return {person_id: self._busy_times(service, person_id, viewer) for person_id in people}

    def _busy_times(self, service: ServiceTerms, person_id: UUID, viewer: Viewer) -> BusyTimes:
        claims = [claim for claim in self.claims.values() if claim.live and claim.slot and claim.id != viewer.exclude_appointment_id]
        holds = [hold for hold in self.holds.values() if hold.live and hold.doctor_id == person_id]
        booked = [booked_time(claim.slot) for claim in claims if claim.slot and claim.slot.doctor_id == person_id and not claim.session]
        as_patient = [claim.slot.visit for claim in claims if claim.slot and claim.slot.patient_id == person_id]
        sessions = list(self._occupancies(person_id, viewer))
        counted = [claim.slot.visit.start for claim in claims if claim.slot and not claim.session and is_of(claim.slot, service, person_id)]
        counted += [
            hold.visit.start for hold in holds if hold.service_id == service.id and not hold.session_id and counts_for(viewer, hold)
        ]
        counted += [session.time.visit_start for session in sessions if session.service_id == service.id]
        return BusyTimes(
            booked=[
                *booked,
                *(BookedTime(visit.start, visit.stop, visit.start, visit.stop) for visit in as_patient),
                *(session.time for session in sessions),
            ],
            absences=[(block.span.start, block.span.stop) for block in self.blocks.values() if block.doctor_id == person_id],
            holds=[hold for hold in holds if hold.is_active(viewer.now)],
            expired_holds=[hold for hold in holds if not hold.is_active(viewer.now)],
            sessions=sessions,
            counted_starts=counted,
        )

    def _occupancies(self, doctor_id: UUID, viewer: Viewer) -> Iterator[GroupOccupancy]:
        """Yield the sessions of a doctor in which others than the viewer have a seat."""
        for session, seats in self._sessions().items():
            booked = [seat for seat in seats if isinstance(seat, Claim) and seat.id != viewer.exclude_appointment_id]
            held = [seat for seat in seats if isinstance(seat, Hold) and counts_for(viewer, seat)]
            if session.doctor_id == doctor_id and booked + held:
                yield GroupOccupancy(session.id, session.service_id, booked_time(session), len(booked), len(held))

    def _sessions(self) -> dict[GroupSession, list[Seat]]:
        sessions: dict[GroupSession, list[Seat]] = {}
        seats: list[Seat] = [*self.claims.values(), *self.holds.values()]
        for seat in seats:
            if seat.live and (session := seat.session):
                sessions.setdefault(session, []).append(seat)
        return sessions

    async def list_affected_claims(self, doctor_ids: Collection[UUID], span: Span, now: datetime, limit: int) -> list[Claim]:
        slots = [(claim.slot, claim) for claim in self.claims.values() if claim.live and claim.slot and not claim.begun]
        ahead = [(slot, claim) for slot, claim in slots if slot.visit.start >= first_grain_at_or_after(now)]
        affected = [claim for slot, claim in ahead if slot.doctor_id in doctor_ids and do_overlap(slot.visit, span)]
        return sorted(affected, key=lambda claim: (claim.slot.visit.start if claim.slot else 0, claim.id))[:limit]

    async def list_upcoming_claims(self, doctor_id: UUID, now: datetime, limit: int, after: Claim | None) -> list[Claim]:
        upcoming = await self.list_affected_claims([doctor_id], range(0, 2**31), now, 2**31)
        return upcoming[upcoming.index(after) + 1 if after else 0 :][:limit]

    async def find_leave(self, leave_id: UUID) -> Leave | None:
        return self.leaves.get(leave_id)

    async def find_closure(self, closure_id: UUID) -> Closure | None:
        return self.closures.get(closure_id)

    async def find_service(self, service_id: UUID) -> ServiceTerms | None:
        rules = self.known.get(service_id)
        return ServiceTerms.from_rules(rules) if rules else None

    async def list_doctors(self, ids: Collection[UUID]) -> list[DoctorTerms]:
        return [DoctorTerms.from_rules(self.known[doctor_id]) for doctor_id in set(ids) if doctor_id in self.known]

    async def list_doctors_offering(self, service_id: UUID) -> list[DoctorTerms]:
        return [
            DoctorTerms.from_rules(rules)
            for rules in self.known.values()
            if isinstance(rules, DoctorRules) and service_id in rules.services
        ]

    # Writes

    async def lock(self, *keys: UUID) -> None:
        """Do nothing: there is one transaction at a time."""

    async def save_claim(self, claim: Claim, previous: Claim | None, *, capacity: int = 1) -> None:
        if self.concurrent_claims or self.claims.get(claim.id) != previous:
            raise LostRace
        self.claims[claim.id] = claim
        if previous is not None and claim.slot != previous.slot:
            self.merged = self.merged | {claim.id} if claim.has_other_patient(previous) else self.merged - {claim.id}
        self._require_no_overlap(capacity)

    async def find_current_patient(self, patient_id: UUID) -> UUID:
        return self.merged_patients.get(patient_id, patient_id)

    async def lock_merge(self, patient_id: UUID) -> bool:
        return patient_id in self.merged_patients

    async def insert_merged_patient(self, patient_id: UUID, into_id: UUID) -> None:
        self.merged_patients[patient_id] = into_id

    async def list_claims_of_patient(self, patient_id: UUID, limit: int) -> list[Claim]:
        return [claim for claim in self.claims.values() if claim.live and claim.slot and claim.slot.patient_id == patient_id][:limit]

    async def has_overlap(self, claim: Claim) -> bool:
        patients = [
            other.slot.patient_id
            for other in self.claims.values()
            if other.live and other.slot and claim.slot and do_overlap(other.slot.visit, claim.slot.visit)
        ]
        return claim.slot is not None and patients.count(claim.slot.patient_id) > 1

    async def insert_hold(self, hold: Hold, *, capacity: int = 1) -> None:
        self.holds = {key: other for key, other in self.holds.items() if other.live or other.owner_id != hold.owner_id}
        self.holds[hold.id] = hold
        self._require_no_overlap(capacity)

    def _require_no_overlap(self, capacity: int) -> None:
        """Raise LostRace where two ordinary claims would share a grain, or a session would have more people than seats."""
        sessions = self._sessions()
        claims: list[Claim | Hold | GroupSession] = [
            *self.claims.values(),
            *(hold for hold in self.holds.values() if hold.live),
            *sessions,
        ]
        taken = Counter((resource_id, grain) for claim in claims for resource_id, span in self._ordinary_spans(claim) for grain in span)
        if any(count > 1 for count in taken.values()) or any(len(seats) > max(capacity, 1) for seats in sessions.values()):
            raise LostRace

    def _ordinary_spans(self, claim: Claim | Hold | GroupSession) -> list[ResourceSpan]:
        if not isinstance(claim, Claim) or claim.slot is None:
            return claim.resource_spans
        spans = [] if claim.may_overlap else claim.resource_spans
        return [item for item in spans if claim.id not in self.merged or item.resource_id != claim.slot.patient_id]

    async def extend_hold(self, hold: Hold) -> None:
        self.holds[hold.id] = hold

    async def drop_hold(self, hold: Hold) -> None:
        self.holds[hold.id] = replace(hold, live=False)

    async def list_holds_of_owner(self, owner_id: UUID) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.live and hold.owner_id == owner_id]

    async def list_holds_overlapping(self, doctor_id: UUID, span: Span) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.live and hold.doctor_id == doctor_id and do_overlap(hold.span, span)]

    async def insert_block(self, block: TimeBlock) -> None:
        self.blocks[block.id] = block

    async def delete_block(self, block: TimeBlock) -> None:
        self.blocks.pop(block.id, None)

    async def insert_leave(self, leave: Leave) -> None:
        self.leaves[leave.id] = leave

    async def delete_leave(self, leave: Leave) -> None:
        del self.leaves[leave.id]

    async def save_closure(self, closure: Closure) -> None:
        self.closures[closure.id] = closure

    async def list_open_closures(self) -> list[Closure]:
        return list(self.closures.values())

    async def add_event(self, event: Event) -> None:
        self.events.append(event)

    async def mark_handled(self, event_id: UUID) -> bool:
        is_new = event_id not in self.handled_events
        self.handled_events.add(event_id)
        return is_new

    async def save_doctor_rules(self, rules: DoctorRules) -> bool:
        return self._save_newer(rules)

    async def save_service_rules(self, rules: ServiceTypeRules) -> bool:
        return self._save_newer(rules)

    def _save_newer(self, rules: DoctorRules | ServiceTypeRules) -> bool:
        is_newer = rules.id not in self.known or self.known[rules.id].version < rules.version
        if is_newer:
            self.known[rules.id] = rules
        return is_newer

    async def mark_all_rules_saved(self) -> None:
        self.all_rules_saved = True

    # Pages

    async def has_all_rules(self) -> bool:
        return self.all_rules_saved

    async def list_live_claims(self, limit: int, after: tuple[str, ...] | None, ends_after: datetime | None = None) -> list[Claim]:
        return sorted((claim for claim in self.claims.values() if claim.live), key=lambda claim: claim.id)[:limit]

    async def list_leaves(self, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
        return [leave for leave in self.leaves.values() if leave.doctor_id == doctor_id][:limit]

    async def list_closures(self, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
        return [closure for closure in self.closures.values() if not closure.lifted][:limit]

    async def list_all_doctors(self, limit: int, after: UUID | None) -> list[DoctorTerms]:
        doctors = sorted((rules for rules in self.known.values() if isinstance(rules, DoctorRules)), key=lambda rules: rules.id)
        return [DoctorTerms.from_rules(rules) for rules in doctors if after is None or rules.id > after][:limit]

    async def list_doctor_ids(self, limit: int, after: UUID | None) -> list[UUID]:
        return [doctor.id for doctor in await self.list_all_doctors(limit, after)]


def booked_time(slot: BookedSlot | GroupSession) -> BookedTime:
    return BookedTime(slot.visit.start, slot.visit.stop, slot.span.start, slot.span.stop)


def is_of(slot: BookedSlot, service: ServiceTerms, doctor_id: UUID) -> bool:
    return slot.doctor_id == doctor_id and slot.service_id == service.id


def counts_for(viewer: Viewer, hold: Hold) -> bool:
    return hold.owner_id != viewer.id and hold.is_active(viewer.now)


def do_overlap(first: Span, second: Span) -> bool:
    return first.start < second.stop and second.start < first.stop


class NoPatients:
    """Implements PatientDirectory without any patient."""

    async def get_summary(self, patient_id: UUID) -> PatientSummary:
        raise NoSuchPatient


@dataclass
class FakeRuleOwner:
    """The owner of the rules; `requested` are the ids that it was asked for."""

    doctor_rules: dict[UUID, DoctorRules] = field(default_factory=dict)
    service_rules: dict[UUID, ServiceTypeRules] = field(default_factory=dict)
    requested: list[UUID] = field(default_factory=list)

    async def find_doctor(self, doctor_id: UUID) -> DoctorRules | None:
        self.requested.append(doctor_id)
        return self.doctor_rules.get(doctor_id)

    async def find_service(self, service_id: UUID) -> ServiceTypeRules | None:
        self.requested.append(service_id)
        return self.service_rules.get(service_id)

    async def iterate_doctors(self) -> AsyncIterator[Sequence[DoctorRules]]:
        for rules in self.doctor_rules.values():
            yield [rules]

    async def iterate_services(self) -> AsyncIterator[Sequence[ServiceTypeRules]]:
        yield list(self.service_rules.values())
