"""Holds: time that is kept for a person for a few minutes while they decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from scheduling_svc.domain.claims import GroupSession, ResourceSpan
from scheduling_svc.domain.refusals import HoldExtended, NoSuchHold
from scheduling_svc.domain.terms import ServiceTerms
from shared.contracts.grains import Span, instant_of
from shared.contracts.http import PatientSummary, ReserveTime
from shared.contracts.identity import Caller
from shared.contracts.relayed_refusals import HoldExpired, HoldMismatch, NoSuchPatient

HOLD_DURATION = timedelta(minutes=5)
MAX_HOLDS = 3


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """The time that someone wants to hold. `patient_id` is the patient for whom, if it is not the caller."""

    service_id: UUID
    doctor_id: UUID
    starts_at: datetime
    patient_id: UUID | None = None


def require_may_hold_for(caller: Caller, patient: PatientSummary) -> None:
    """Raise NoSuchPatient unless the caller is staff or one of the patient's guardians."""
    if not (caller.is_staff or caller.id in patient.guardian_ids):
        raise NoSuchPatient


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold of the time of a doctor, or of a seat of a group session; it takes no time of the patient.

    It ends when the clock reaches `expires_at`, whether or not its row has been removed. `live` is False once it was given back or used.
    """

    id: UUID
    owner_id: UUID
    service_id: UUID
    doctor_id: UUID
    visit: Span
    span: Span
    expires_at: datetime
    session_id: UUID | None = None
    extended: bool = False
    live: bool = True

    @classmethod
    def of(cls, hold_id: UUID, owner_id: UUID, service: ServiceTerms, doctor_id: UUID, start: int, now: datetime) -> Self:
        """Return a new hold. It expires at a whole second, as its end is shown, and at the start of the visit at the latest."""
        return cls(
            id=hold_id,
            owner_id=owner_id,
            service_id=service.id,
            doctor_id=doctor_id,
            visit=service.visit_span(start),
            span=service.doctor_span(start),
            expires_at=min((now + HOLD_DURATION).replace(microsecond=0), instant_of(start)),
            session_id=GroupSession.at(service, doctor_id, start).id if service.is_group else None,
        )

    @property
    def starts_at(self) -> datetime:
        """The start of the visit, in UTC."""
        return instant_of(self.visit.start)

    @property
    def ends_at(self) -> datetime:
        """The end of the visit, in UTC."""
        return instant_of(self.visit.stop)

    @property
    def resource_spans(self) -> list[ResourceSpan]:
        """The time that the hold takes; a seat takes none, because its session does."""
        return [] if self.session_id else [ResourceSpan(self.doctor_id, self.span)]

    @property
    def session(self) -> GroupSession | None:
        """The group session in which this is a seat."""
        return GroupSession(self.session_id, self.service_id, self.doctor_id, self.visit, self.span) if self.session_id else None

    def is_active(self, now: datetime) -> bool:
        """Return True if others cannot book the time of the hold."""
        return self.live and now < self.expires_at

    def overlaps(self, span: Span) -> bool:
        """Return True if the hold, buffers included, shares a grain with a span."""
        return self.span.start < span.stop and span.start < self.span.stop

    def require_owner(self, owner_id: UUID) -> Self:
        """Return self; raise NoSuchHold for anyone but the owner."""
        if owner_id != self.owner_id:
            raise NoSuchHold
        return self

    def extend(self, now: datetime) -> Self:
        """Return the hold with five minutes more, up to its start. Raise HoldExpired when it has ended, HoldExtended the second time."""
        if not self.is_active(now):
            raise HoldExpired
        if self.extended:
            raise HoldExtended
        return replace(self, expires_at=min(self.expires_at + HOLD_DURATION, self.starts_at), extended=True)

    def require_match(self, request: ReserveTime, now: datetime) -> None:
        """Raise HoldMismatch if the hold is not for this request, HoldExpired if it has ended."""
        held = (self.owner_id, self.service_id, self.doctor_id, self.starts_at)
        if held != (request.by.id, request.service_id, request.doctor_id, request.starts_at):
            raise HoldMismatch
        if not self.is_active(now):
            raise HoldExpired
