"""Claims: who has taken which time, and which wish for it counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self
from uuid import UUID

from scheduling_svc.domain.refusals import NoSuchReservation, ReservationReleased
from scheduling_svc.domain.terms import Service
from shared.contracts.grains import Span, grain_of, instant_of
from shared.contracts.http import Reservation, ReserveTime
from shared.contracts.identity import Caller
from shared.kit.ids import derive_id


class Take(NamedTuple):
    """Time of one resource: a doctor's, a patient's, one day a room's."""

    resource_id: UUID
    span: Span


@dataclass(frozen=True, slots=True)
class Session:
    """The visit that a group shares: it takes the doctor's time once, and has a seat for each of its patients."""

    id: UUID
    service_id: UUID
    doctor_id: UUID
    visit: Span
    span: Span

    @classmethod
    def at(cls, service: Service, doctor_id: UUID, start: int) -> Self:
        """Everybody who wants this time makes the same id."""
        one = derive_id(doctor_id, service.id, start)
        return cls(one, service.id, doctor_id, service.visit(start), service.span(start))

    @property
    def takes(self) -> list[Take]:
        return [Take(self.doctor_id, self.span)]


@dataclass(frozen=True, slots=True)
class Place:
    """A time with a doctor: the visit, the span that it takes of the doctor, and the session that it is a seat in, if any."""

    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    visit: Span
    span: Span
    session_id: UUID | None = None

    @classmethod
    def of(cls, patient_id: UUID, service: Service, doctor_id: UUID, start: int) -> Self:
        """Where a visit from a grain on would be; it must be one that `availability` allows."""
        session_id = Session.at(service, doctor_id, start).id if service.is_shared else None
        return cls(service.id, doctor_id, patient_id, service.visit(start), service.span(start), session_id)

    @property
    def session(self) -> Session | None:
        return Session(self.session_id, self.service_id, self.doctor_id, self.visit, self.span) if self.session_id else None

    def meets(self, wish: ReserveTime) -> bool:
        mine = (self.service_id, self.patient_id, instant_of(self.visit.start))
        return mine == (wish.service_id, wish.patient_id, wish.starts_at) and wish.doctor_id in (None, self.doctor_id)

    @property
    def takes(self) -> list[Take]:
        """What it takes of whom: of the doctor with buffers, of the patient without. A seat takes nothing of the doctor: its session does.

        A doctor who is their own patient is one person, whose time is taken once.
        """
        doctor = [] if self.session_id else [Take(self.doctor_id, self.span)]
        patient = [] if self.doctor_id == self.patient_id else [Take(self.patient_id, self.visit)]
        return doctor + patient

    def grains(self) -> list[tuple[UUID, int]]:
        """Grain by grain, in the order of the key."""
        return sorted((who, grain) for who, span in self.takes for grain in span)


@dataclass(frozen=True, slots=True)
class Claim:
    """An appointment's claim. A released one stays, so that a wish that was on its way meanwhile comes too late.

    Without a place it was released before it was ever made. `over`: it may lie over others, in a lane of its own. `begun`: the visit takes
    place; a leave leaves it alone.
    """

    appointment_id: UUID
    revision: int
    place: Place | None
    live: bool = True
    over: bool = False
    begun: bool = False

    @property
    def id(self) -> UUID:
        return self.appointment_id

    @property
    def takes(self) -> list[Take]:
        return self.place.takes if self.live and self.place is not None else []

    @property
    def session(self) -> Session | None:
        """That in which it has a seat now."""
        return self.place.session if self.live and self.place is not None else None

    def answers(self, wish: ReserveTime) -> bool:
        """Whether this is what came of the wish, or of a later one; refuses a wish that comes after the release."""
        if wish.revision > self.revision:
            return False
        if not self.live:
            raise ReservationReleased
        return True

    def concerns(self, caller: Caller) -> bool:
        """Whether the caller is its patient, its doctor or the front desk."""
        return caller.is_staff or (self.place is not None and caller.id in (self.place.patient_id, self.place.doctor_id))

    def can_move_within(self, service: Service) -> bool:
        """Whether there is something to move, and of this service."""
        return self.live and self.place is not None and self.place.service_id == service.id

    def holds(self, wish: ReserveTime) -> bool:
        """Whether it has the time already that a new wish wants: nothing is to be decided again."""
        return self.live and self.place is not None and self.place.meets(wish)

    def released(self, revision: int) -> Self:
        """Given back; a release that a later wish has overtaken changes nothing."""
        if revision < self.revision:
            return self
        return replace(self, revision=revision, live=False)

    def called_off(self) -> Self:
        """Given back by the clinic: later than every wish that was made, so that none is taken for newer."""
        return replace(self, revision=self.revision + 1, live=False)

    def brought_to(self, place: Place) -> Self:
        """From where it was called off to where the clinic moved it."""
        return replace(self, place=place, live=True, over=False)

    def reservation(self) -> Reservation:
        """As neighbours see it; a claim that was never made cannot be seen."""
        if self.place is None:
            raise NoSuchReservation
        return Reservation(
            appointment_id=self.appointment_id,
            service_id=self.place.service_id,
            doctor_id=self.place.doctor_id,
            patient_id=self.place.patient_id,
            starts_at=instant_of(self.place.visit.start),
            ends_at=instant_of(self.place.visit.stop),
            revision=self.revision,
            live=self.live,
        )


def place_for(wish: ReserveTime, service: Service, doctor_id: UUID) -> Place:
    """Where a wish would be with a doctor."""
    return Place.of(wish.patient_id, service, doctor_id, grain_of(wish.starts_at))


def taking_place(appointment_id: UUID, wish: ReserveTime, service: Service) -> Claim:
    """Of a visit that takes place already, over whatever stands there; if it shares a session, then beside it."""
    assert wish.doctor_id is not None
    there = replace(place_for(wish, service, wish.doctor_id), session_id=None)
    return Claim(appointment_id, wish.revision, there, over=True, begun=True)
