"""A simple model of the calendar: plain dictionaries of visits, holds and leaves, and the answer to each request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from shared.contracts.derived_ids import derive_id

T = TypeVar("T")
HOLD_DURATION = timedelta(minutes=5)
MAX_HOLDS = 3
CONFLICTS = {"taken": "slot_taken", "buffer": "slot_taken", "held": "slot_held", "patient_busy": "patient_busy"}
CAP_REASON = "daily_cap_reached"


@dataclass(frozen=True)
class ModelService:
    """The terms of a service; times in grains."""

    id: UUID
    duration: int
    before: int = 0
    after: int = 0
    capacity: int = 1
    daily_cap: int | None = None


@dataclass(frozen=True)
class ModelSlot:
    """A time with a doctor; all patients of a group have the same one."""

    terms: ModelService
    doctor: UUID
    start: int

    @property
    def visit(self) -> range:
        return range(self.start, self.start + self.terms.duration)

    @property
    def span(self) -> range:
        return range(self.start - self.terms.before, self.start + self.terms.duration + self.terms.after)

    @property
    def is_shared(self) -> bool:
        return self.terms.capacity > 1

    @property
    def session_id(self) -> UUID:
        return derive_id(self.doctor, self.terms.id, self.start)


@dataclass(frozen=True)
class ModelVisit:
    slot: ModelSlot
    patient: UUID
    revision: int = 1


@dataclass(frozen=True)
class ModelHold:
    """A hold. It stays in the model when it has expired, until somebody needs the time or its owner holds another time."""

    slot: ModelSlot
    owner: UUID
    until: datetime
    extended: bool = False
    live: bool = True

    def is_active(self, now: datetime) -> bool:
        return self.live and now < self.until


@dataclass
class CalendarModel:
    """Answers a request with None and records the change, or with the code of the refusal and its reasons."""

    now: datetime
    visits: dict[UUID, ModelVisit] = field(default_factory=dict)
    holds: dict[UUID, ModelHold] = field(default_factory=dict)
    leaves: dict[UUID, tuple[UUID, range]] = field(default_factory=dict)

    # Requests

    def book(self, claim_id: UUID, slot: ModelSlot, patient: UUID, held: UUID | None = None) -> str | None:
        """Book or move an appointment; a request for the time that it has is granted without a check."""
        current = self.visits.get(claim_id)
        if current is None or current.slot != slot:
            refused = (self._hold_refusal(held, slot, patient) if held else None) or self.refusal(
                slot, viewer=patient, patient=patient, exclude_appointment_id=claim_id
            )
            if refused:
                return refused
            self._drop_removable_holds(slot, patient, exclude_appointment_id=claim_id)
        self.visits[claim_id] = ModelVisit(slot, patient, current.revision + 1 if current else 1)
        return None

    def overbook(self, claim_id: UUID, slot: ModelSlot, patient: UUID, staff: UUID) -> str | None:
        """Book a time that is taken or held, or in which buffers are missing; a group without a free seat takes nobody."""
        if refused := self.refusal(slot, viewer=staff, patient=patient, is_overbooking=True):
            return refused
        self._drop_removable_holds(slot, staff)
        self.visits[claim_id] = ModelVisit(slot, patient)
        return None

    def hold(self, claim_id: UUID, slot: ModelSlot, owner: UUID) -> str | None:
        if refused := self.refusal(slot, viewer=owner, patient=owner):
            return refused
        dropped = self._removable_holds(slot, owner) | {key for key, held in self._holds_of(owner) if held.slot.terms == slot.terms}
        if len([key for key, held in self._holds_of(owner) if held.is_active(self.now) and key not in dropped]) >= MAX_HOLDS:
            return "too_many_holds"
        self._drop(dropped | {key for key, held in self._holds_of(owner) if not held.is_active(self.now)})
        last = {key for key, held in self.holds.items() if (held.owner, held.slot.terms, held.live) == (owner, slot.terms, False)}
        self.holds = {key: held for key, held in self.holds.items() if key not in last}
        self.holds[claim_id] = ModelHold(slot, owner, self.now + HOLD_DURATION)
        return None

    def extend(self, claim_id: UUID, by: UUID) -> str | None:
        held = self.holds.get(claim_id)
        if held is None or held.owner != by:
            return "no_such_hold"
        if not held.is_active(self.now) or held.extended:
            return "hold_extended" if held.is_active(self.now) else "hold_expired"
        self.holds[claim_id] = replace(held, until=held.until + HOLD_DURATION, extended=True)
        return None

    def drop(self, claim_id: UUID, by: UUID) -> str | None:
        if claim_id not in self.holds or self.holds[claim_id].owner != by:
            return "no_such_hold"
        self._drop({claim_id})
        return None

    def take_leave(self, claim_id: UUID, doctor: UUID, span: range, outcomes: dict[UUID, ModelSlot | str]) -> str | None:
        """Take a leave. `outcomes` has `keep`, `cancel` or the new slot for every appointment in it. A refusal undoes all changes."""
        before = dict(self.visits), dict(self.holds), dict(self.leaves)
        refused = self._try_leave(claim_id, doctor, span, outcomes)
        if refused:
            self.visits, self.holds, self.leaves = before
        return refused

    def affected(self, doctor: UUID, span: range) -> list[UUID]:
        starts = [
            (visit.slot.start, claim_id)
            for claim_id, visit in self.visits.items()
            if visit.slot.doctor == doctor and do_overlap(visit.slot.visit, span)
        ]
        return [claim_id for _, claim_id in sorted(starts)]

    # Decisions

    def refusal(
        self, slot: ModelSlot, *, viewer: UUID, patient: UUID, exclude_appointment_id: UUID | None = None, is_overbooking: bool = False
    ) -> str | None:
        codes = self.reasons(slot, viewer=viewer, patient=patient, exclude_appointment_id=exclude_appointment_id)
        if is_overbooking:
            codes = codes - {"taken", "held", "buffer"} | self._reasons_of_group(slot, viewer)
        if codes - CONFLICTS.keys() <= {CAP_REASON} and codes & CONFLICTS.keys():
            return next(CONFLICTS[code] for code in CONFLICTS if code in codes)
        return " ".join(["not_bookable", *sorted(codes)]) if codes else None

    def reasons(self, slot: ModelSlot, *, viewer: UUID, patient: UUID, exclude_appointment_id: UUID | None = None) -> set[str]:
        """Return every reason against a visit."""
        visits = [visit for claim_id, visit in self.visits.items() if claim_id != exclude_appointment_id]
        holds = [
            held.slot
            for held in self.holds.values()
            if held.is_active(self.now) and held.owner != viewer and held.slot.doctor == slot.doctor
        ]
        booked = [visit.slot for visit in visits if visit.slot.doctor == slot.doctor]
        booked_seats, held_seats = booked.count(slot), holds.count(slot)
        can_join = slot.is_shared and 0 < booked_seats + held_seats < slot.terms.capacity
        last_seats_held = slot.is_shared and booked_seats < slot.terms.capacity <= booked_seats + held_seats
        other_times = [other for other in booked if not do_overlap(slot.visit, other.visit)]
        held_times = [other for other in holds if not other.is_shared or other not in booked]
        is_full = slot.is_shared and booked_seats >= slot.terms.capacity
        is_held_for_viewer = any(held.owner == viewer and held.slot == slot and held.is_active(self.now) for held in self.holds.values())
        is_open = can_join or last_seats_held or is_held_for_viewer
        reasons = {
            "on_leave": any(doctor == slot.doctor and do_overlap(slot.span, span) for doctor, span in self.leaves.values()),
            "taken": is_full or (len(other_times) < len(booked) and not is_open),
            "held": last_seats_held or (not can_join and any(do_overlap(slot.span, other.span) for other in held_times)),
            "buffer": not is_open and any(do_overlap(slot.span, other.span) for other in other_times),
            CAP_REASON: not can_join and slot.terms.daily_cap is not None and count(slot.terms, booked + holds) >= slot.terms.daily_cap,
            "patient_busy": any(visit.patient == patient and do_overlap(slot.visit, visit.slot.visit) for visit in visits),
        }
        return {code for code, applies in reasons.items() if applies}

    def _reasons_of_group(self, slot: ModelSlot, viewer: UUID) -> set[str]:
        """Return why nobody can join the group that meets at a slot."""
        booked = [visit.slot for visit in self.visits.values()].count(slot)
        held = [held.slot for held in self.holds.values() if held.is_active(self.now) and held.owner != viewer].count(slot)
        if not slot.is_shared or booked + held < slot.terms.capacity:
            return set()
        return {"taken"} if booked >= slot.terms.capacity else {"held"}

    def _hold_refusal(self, held: UUID, slot: ModelSlot, by: UUID) -> str | None:
        """Return what is wrong with the hold that a request names."""
        known = self.holds.get(held)
        if known is None or (known.owner, known.slot) != (by, slot):
            return "hold_mismatch"
        return None if known.is_active(self.now) else "hold_expired"

    def _try_leave(self, claim_id: UUID, doctor: UUID, span: range, outcomes: dict[UUID, ModelSlot | str]) -> str | None:
        if set(self.affected(doctor, span)) != outcomes.keys():
            return "affected_changed"
        self.leaves[claim_id] = doctor, span
        self._drop(key for key, held in self.holds.items() if held.slot.doctor == doctor and do_overlap(held.slot.span, span))
        displaced = {item: (self.visits.pop(item), outcome) for item, outcome in outcomes.items() if outcome != "keep"}
        for moved_id, (visit, slot) in displaced.items():
            if not isinstance(slot, ModelSlot):
                continue
            if refused := self.refusal(slot, viewer=doctor, patient=visit.patient):
                return refused
            self._drop_removable_holds(slot, doctor)
            self.visits[moved_id] = ModelVisit(slot, visit.patient, visit.revision + 1)
        return None

    def _holds_of(self, owner: UUID) -> list[tuple[UUID, ModelHold]]:
        return [(claim_id, held) for claim_id, held in self.holds.items() if held.live and held.owner == owner]

    def _removable_holds(self, slot: ModelSlot, viewer: UUID) -> set[UUID]:
        """Return the holds that do not prevent the viewer from booking: the viewer's own, and expired ones."""
        near = [
            (claim_id, held)
            for claim_id, held in self.holds.items()
            if held.slot.doctor == slot.doctor and do_overlap(held.slot.span, slot.span)
        ]
        return {claim_id for claim_id, held in near if held.live and (held.owner == viewer or not held.is_active(self.now))}

    def _drop_removable_holds(self, slot: ModelSlot, viewer: UUID, exclude_appointment_id: UUID | None = None) -> None:
        """Drop the holds that a booking removes, and the viewer's own holds that would exceed the cap together with the booking."""
        self._drop(self._removable_holds(slot, viewer))
        if slot.terms.daily_cap is None:
            return
        visits = [visit.slot for claim_id, visit in self.visits.items() if claim_id != exclude_appointment_id]
        others = [held.slot for held in self.holds.values() if held.is_active(self.now) and held.owner != viewer]
        counted = [item for item in [*visits, *others, slot] if item.doctor == slot.doctor]
        own_holds = {
            claim_id: held.slot
            for claim_id, held in self._holds_of(viewer)
            if (held.slot.doctor, held.slot.terms) == (slot.doctor, slot.terms)
        }
        self._drop(
            claim_id
            for claim_id, own_slot in own_holds.items()
            if not (own_slot.is_shared and own_slot in counted) and count(slot.terms, [*counted, own_slot]) > slot.terms.daily_cap
        )

    def _drop(self, dropped: Iterable[UUID]) -> None:
        for claim_id in list(dropped):
            self.holds[claim_id] = replace(self.holds[claim_id], live=False)

    # Expected rows

    def seats(self) -> dict[UUID, UUID]:
        """Return who has a seat in which session."""
        return self._slot_values(lambda slot: slot.session_id if slot.is_shared else None)

    def grains(self) -> Counter[tuple[UUID, int, UUID]]:
        """Return which claim has which grain of which person."""
        visits = [(visit.patient, visit.slot.visit, claim_id) for claim_id, visit in self.visits.items()]
        alone = [
            (*taken, claim_id)
            for claim_id, taken in self._slot_values(lambda slot: None if slot.is_shared else (slot.doctor, slot.span)).items()
        ]
        sessions = set(self._slot_values(lambda slot: (slot.doctor, slot.span, slot.session_id) if slot.is_shared else None).values())
        leaves = [(doctor, span, claim_id) for claim_id, (doctor, span) in self.leaves.items()]
        return Counter((who, grain, claim_id) for who, span, claim_id in (*visits, *alone, *sessions, *leaves) for grain in span)

    def _slot_values(self, value_of: Callable[[ModelSlot], T | None]) -> dict[UUID, T]:
        slots = {claim_id: visit.slot for claim_id, visit in self.visits.items()}
        slots |= {claim_id: held.slot for claim_id, held in self.holds.items() if held.live}
        return {claim_id: value for claim_id, slot in slots.items() if (value := value_of(slot)) is not None}


def count(terms: ModelService, slots: list[ModelSlot]) -> int:
    """Return the number of visits; a group counts once."""
    own_holds = [slot for slot in slots if slot.terms == terms]
    return len(set(own_holds)) if terms.capacity > 1 else len(own_holds)


def do_overlap(first: range, second: range) -> bool:
    return first.start < second.stop and second.start < first.stop
