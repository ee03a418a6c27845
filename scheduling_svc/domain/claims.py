"""Claims: who has taken which time, and which wish for it counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self
from uuid import UUID

from scheduling_svc.domain.refusals import NoSuchReservation, ReservationReleased
from scheduling_svc.domain.terms import Service
from shared.contracts.grains import Span, grain_of, instant_of
from shared.contracts.http import Reservation, Reserve
from shared.contracts.identity import Caller


class Engagement(NamedTuple):
    """Time that a person is not free, in grains: `starts` to `ends` with someone, `first` to `last` with the buffers around it."""

    starts: int
    ends: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Place:
    """A time with a doctor: the visit, and the span that it takes of the doctor."""

    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    visit: Span
    span: Span

    @classmethod
    def of(cls, wish: Reserve, service: Service) -> Self:
        """Where a wish would be; its start must be one that `availability` allows."""
        start = grain_of(wish.starts_at)
        return cls(wish.service_id, wish.doctor_id, wish.patient_id, service.visit(start), service.span(start))

    def meets(self, wish: Reserve) -> bool:
        mine = (self.service_id, self.doctor_id, self.patient_id, instant_of(self.visit.start))
        return mine == (wish.service_id, wish.doctor_id, wish.patient_id, wish.starts_at)

    def grains(self) -> list[tuple[UUID, int]]:
        """What it takes of whom, in the one order in which everybody takes: of the doctor with buffers, of the patient without.

        A doctor who is their own patient is one person, whose grains are taken once.
        """
        return sorted({(self.doctor_id, grain) for grain in self.span} | {(self.patient_id, grain) for grain in self.visit})


@dataclass(frozen=True, slots=True)
class Claim:
    """An appointment's claim. A released one stays, so that a wish that was on its way meanwhile comes too late.

    Without a place it was released before it was ever made.
    """

    appointment_id: UUID
    revision: int
    place: Place | None
    live: bool = True

    def answers(self, wish: Reserve) -> bool:
        """Whether this is what came of the wish, or of a later one; refuses a wish that comes after the release."""
        if wish.revision > self.revision:
            return False
        if not self.live:
            raise ReservationReleased
        return True

    def concerns(self, caller: Caller) -> bool:
        """Whether the caller is its patient, its doctor or the front desk."""
        return caller.is_staff or (self.place is not None and caller.id in (self.place.patient_id, self.place.doctor_id))

    def holds(self, wish: Reserve) -> bool:
        """Whether it has the time already that a new wish wants: nothing is to be decided again."""
        return self.live and self.place is not None and self.place.meets(wish)

    def released(self, revision: int) -> Self:
        """Given back; a release that a later wish has overtaken changes nothing."""
        if revision < self.revision:
            return self
        return replace(self, revision=revision, live=False)

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
