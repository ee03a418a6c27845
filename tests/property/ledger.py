"""The calendar as a careful receptionist would keep it on paper: who has what, and what she would answer to the next request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from shared.kit.ids import derive_id

T = TypeVar("T")
HELD_FOR = timedelta(minutes=5)
MOST_HOLDS = 3
CONFLICTS = {"taken": "slot_taken", "buffer": "slot_taken", "held": "slot_held", "patient_busy": "patient_busy"}
CAP = "daily_cap_reached"


@dataclass(frozen=True)
class Terms:
    """The terms of a service; times in grains."""

    id: UUID
    duration: int
    before: int = 0
    after: int = 0
    capacity: int = 1
    daily_cap: int | None = None


@dataclass(frozen=True)
class Spot:
    """A time with a doctor; all patients of a group have the same one."""

    terms: Terms
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
class Visit:
    spot: Spot
    patient: UUID
    revision: int = 1


@dataclass(frozen=True)
class Held:
    """A hold. It stays on paper when it has expired, until someone needs the time or its owner holds another."""

    spot: Spot
    owner: UUID
    until: datetime
    extended: bool = False
    live: bool = True

    def is_active(self, now: datetime) -> bool:
        return self.live and now < self.until


@dataclass
class Ledger:
    """Answers requests with the code of the refusal and its reasons, or with None and writes the change down."""

    now: datetime
    visits: dict[UUID, Visit] = field(default_factory=dict)
    holds: dict[UUID, Held] = field(default_factory=dict)
    leaves: dict[UUID, tuple[UUID, range]] = field(default_factory=dict)

    # What is asked of it

    def book(self, claim_id: UUID, spot: Spot, patient: UUID, held: UUID | None = None) -> str | None:
        """Book or move an appointment; a request for the time that it has is granted without a check."""
        standing = self.visits.get(claim_id)
        if standing is None or standing.spot != spot:
            refused = (self._not_for(held, spot, patient) if held else None) or self.refused(
                spot, viewer=patient, patient=patient, exclude_appointment_id=claim_id
            )
            if refused:
                return refused
            self._give_way(spot, patient, exclude_appointment_id=claim_id)
        self.visits[claim_id] = Visit(spot, patient, standing.revision + 1 if standing else 1)
        return None

    def hold(self, claim_id: UUID, spot: Spot, owner: UUID) -> str | None:
        if refused := self.refused(spot, viewer=owner, patient=owner):
            return refused
        going = self._in_the_way(spot, owner) | {key for key, held in self._of(owner) if held.spot.terms == spot.terms}
        if len([key for key, held in self._of(owner) if held.is_active(self.now) and key not in going]) >= MOST_HOLDS:
            return "too_many_holds"
        self._drop(going | {key for key, held in self._of(owner) if not held.is_active(self.now)})
        last = {key for key, held in self.holds.items() if (held.owner, held.spot.terms, held.live) == (owner, spot.terms, False)}
        self.holds = {key: held for key, held in self.holds.items() if key not in last}
        self.holds[claim_id] = Held(spot, owner, self.now + HELD_FOR)
        return None

    def extend(self, claim_id: UUID, by: UUID) -> str | None:
        held = self.holds.get(claim_id)
        if held is None or held.owner != by:
            return "no_such_hold"
        if not held.is_active(self.now) or held.extended:
            return "hold_extended" if held.is_active(self.now) else "hold_expired"
        self.holds[claim_id] = replace(held, until=held.until + HELD_FOR, extended=True)
        return None

    def drop(self, claim_id: UUID, by: UUID) -> str | None:
        if claim_id not in self.holds or self.holds[claim_id].owner != by:
            return "no_such_hold"
        self._drop({claim_id})
        return None

    def take_leave(self, claim_id: UUID, doctor: UUID, span: range, outcomes: dict[UUID, Spot | str]) -> str | None:
        """Take a leave. `outcomes` say for every appointment in it where it goes, `keep` or `cancel`. All changes or none; all displaced
        ones are released first."""
        before = dict(self.visits), dict(self.holds), dict(self.leaves)
        refused = self._leave(claim_id, doctor, span, outcomes)
        if refused:
            self.visits, self.holds, self.leaves = before
        return refused

    def affected(self, doctor: UUID, span: range) -> list[UUID]:
        service = [
            (visit.spot.start, claim_id)
            for claim_id, visit in self.visits.items()
            if visit.spot.doctor == doctor and meet(visit.spot.visit, span)
        ]
        return [claim_id for _, claim_id in sorted(service)]

    # How it decides

    def refused(self, spot: Spot, *, viewer: UUID, patient: UUID, exclude_appointment_id: UUID | None = None) -> str | None:
        codes = self.against(spot, viewer=viewer, patient=patient, exclude_appointment_id=exclude_appointment_id)
        if codes - CONFLICTS.keys() <= {CAP} and codes & CONFLICTS.keys():
            return next(CONFLICTS[code] for code in CONFLICTS if code in codes)
        return " ".join(["not_bookable", *sorted(codes)]) if codes else None

    def against(self, spot: Spot, *, viewer: UUID, patient: UUID, exclude_appointment_id: UUID | None = None) -> set[str]:
        """Return every reason against a visit."""
        visits = [visit for claim_id, visit in self.visits.items() if claim_id != exclude_appointment_id]
        holds = [
            held.spot
            for held in self.holds.values()
            if held.is_active(self.now) and held.owner != viewer and held.spot.doctor == spot.doctor
        ]
        booked = [visit.spot for visit in visits if visit.spot.doctor == spot.doctor]
        mates, waiting = booked.count(spot), holds.count(spot)
        joins = spot.is_shared and 0 < mates + waiting < spot.terms.capacity
        waits = spot.is_shared and mates < spot.terms.capacity <= mates + waiting
        apart = [other for other in booked if not meet(spot.visit, other.visit)]
        kept = [other for other in holds if not other.is_shared or other not in booked]
        applies = {
            "on_leave": any(doctor == spot.doctor and meet(spot.span, span) for doctor, span in self.leaves.values()),
            "taken": len(apart) < len(booked) and not joins and not waits,
            "held": waits or (not joins and any(meet(spot.span, other.span) for other in kept)),
            "buffer": not joins and not waits and any(meet(spot.span, other.span) for other in apart),
            CAP: not joins and spot.terms.daily_cap is not None and count(spot.terms, booked + holds) >= spot.terms.daily_cap,
            "patient_busy": any(visit.patient == patient and meet(spot.visit, visit.spot.visit) for visit in visits),
        }
        return {code for code, true in applies.items() if true}

    def _not_for(self, held: UUID, spot: Spot, by: UUID) -> str | None:
        """Return what is wrong with the hold that a request names."""
        known = self.holds.get(held)
        if known is None or (known.owner, known.spot) != (by, spot):
            return "hold_mismatch"
        return None if known.is_active(self.now) else "hold_expired"

    def _leave(self, claim_id: UUID, doctor: UUID, span: range, outcomes: dict[UUID, Spot | str]) -> str | None:
        if set(self.affected(doctor, span)) != outcomes.keys():
            return "affected_changed"
        self.leaves[claim_id] = doctor, span
        self._drop(key for key, held in self.holds.items() if held.spot.doctor == doctor and meet(held.spot.span, span))
        going = {item: (self.visits.pop(item), outcome) for item, outcome in outcomes.items() if outcome != "keep"}
        for moved, (visit, spot) in going.items():
            if not isinstance(spot, Spot):
                continue
            if refused := self.refused(spot, viewer=doctor, patient=visit.patient):
                return refused
            self._give_way(spot, doctor)
            self.visits[moved] = Visit(spot, visit.patient, visit.revision + 1)
        return None

    def _of(self, owner: UUID) -> list[tuple[UUID, Held]]:
        return [(claim_id, held) for claim_id, held in self.holds.items() if held.live and held.owner == owner]

    def _in_the_way(self, spot: Spot, viewer: UUID) -> set[UUID]:
        """Return the holds that keep no one out: the viewer's own, and expired ones."""
        near = [
            (claim_id, held) for claim_id, held in self.holds.items() if held.spot.doctor == spot.doctor and meet(held.spot.span, spot.span)
        ]
        return {claim_id for claim_id, held in near if held.live and (held.owner == viewer or not held.is_active(self.now))}

    def _give_way(self, spot: Spot, viewer: UUID, exclude_appointment_id: UUID | None = None) -> None:
        """Drop the viewer's own holds that a booking removes: they were not counted when the visit was, and both may be too many."""
        self._drop(self._in_the_way(spot, viewer))
        if spot.terms.daily_cap is None:
            return
        visits = [visit.spot for claim_id, visit in self.visits.items() if claim_id != exclude_appointment_id]
        others = [held.spot for held in self.holds.values() if held.is_active(self.now) and held.owner != viewer]
        service = [item for item in [*visits, *others, spot] if item.doctor == spot.doctor]
        alike = {
            claim_id: held.spot for claim_id, held in self._of(viewer) if (held.spot.doctor, held.spot.terms) == (spot.doctor, spot.terms)
        }
        self._drop(
            claim_id
            for claim_id, mine in alike.items()
            if mine not in service and count(spot.terms, [*service, mine]) > spot.terms.daily_cap
        )

    def _drop(self, going: Iterable[UUID]) -> None:
        for claim_id in list(going):
            self.holds[claim_id] = replace(self.holds[claim_id], live=False)

    # What the tables should say

    def seats(self) -> dict[UUID, UUID]:
        """Return who has a seat in which session."""
        return self._of_spots(lambda spot: spot.session_id if spot.is_shared else None)

    def grains(self) -> Counter[tuple[UUID, int, UUID]]:
        """Return which claim has which grain of which person."""
        visits = [(visit.patient, visit.spot.visit, claim_id) for claim_id, visit in self.visits.items()]
        alone = [
            (*taken, claim_id)
            for claim_id, taken in self._of_spots(lambda spot: None if spot.is_shared else (spot.doctor, spot.span)).items()
        ]
        sessions = set(self._of_spots(lambda spot: (spot.doctor, spot.span, spot.session_id) if spot.is_shared else None).values())
        leaves = [(doctor, span, claim_id) for claim_id, (doctor, span) in self.leaves.items()]
        return Counter((who, grain, claim_id) for who, span, claim_id in (*visits, *alone, *sessions, *leaves) for grain in span)

    def _of_spots(self, tell: Callable[[Spot], T | None]) -> dict[UUID, T]:
        spots = {claim_id: visit.spot for claim_id, visit in self.visits.items()}
        spots |= {claim_id: held.spot for claim_id, held in self.holds.items() if held.live}
        return {claim_id: expected for claim_id, spot in spots.items() if (expected := tell(spot)) is not None}


def count(terms: Terms, spots: list[Spot]) -> int:
    """Return the number of visits; a group counts once."""
    alike = [spot for spot in spots if spot.terms == terms]
    return len(set(alike)) if terms.capacity > 1 else len(alike)


def meet(claim_id: range, other: range) -> bool:
    return claim_id.start < other.stop and other.start < claim_id.stop
