"""Holds: time that is kept for someone while they make up their mind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from scheduling_svc.domain.claims import Session, Take
from scheduling_svc.domain.refusals import HoldExpired, HoldExtended, HoldMismatch, NoSuchHold
from scheduling_svc.domain.terms import Service
from shared.contracts.grains import Span, instant_of
from shared.contracts.http import ReserveTime

LASTS = timedelta(minutes=5)
MOST = 3


@dataclass(frozen=True, slots=True)
class HoldWish:
    """A time with a doctor that someone wants to think about."""

    service_id: UUID
    doctor_id: UUID
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Takes the doctor's time (or a seat of a session), never the patient's. It is over when the clock says so, whoever notices."""

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
    def of(cls, one: UUID, owner_id: UUID, service: Service, doctor_id: UUID, start: int, now: datetime) -> Self:
        """It ends with a whole second, as it is told."""
        session_id = Session.at(service, doctor_id, start).id if service.is_shared else None
        until = (now + LASTS).replace(microsecond=0)
        return cls(one, owner_id, service.id, doctor_id, service.visit(start), service.span(start), until, session_id)

    @property
    def starts_at(self) -> datetime:
        return instant_of(self.visit.start)

    @property
    def ends_at(self) -> datetime:
        return instant_of(self.visit.stop)

    @property
    def takes(self) -> list[Take]:
        return [] if self.session_id else [Take(self.doctor_id, self.span)]

    @property
    def session(self) -> Session | None:
        return Session(self.session_id, self.service_id, self.doctor_id, self.visit, self.span) if self.session_id else None

    def stands(self, now: datetime) -> bool:
        return self.live and now < self.expires_at

    def touches(self, span: Span) -> bool:
        return self.span.start < span.stop and span.start < self.span.stop

    def of_owner(self, owner_id: UUID) -> Self:
        """Itself; for others it does not exist."""
        if owner_id != self.owner_id:
            raise NoSuchHold
        return self

    def extend(self, now: datetime) -> Self:
        """Once, and not when it is over."""
        if not self.stands(now):
            raise HoldExpired
        if self.extended:
            raise HoldExtended
        return replace(self, expires_at=self.expires_at + LASTS, extended=True)

    def admit(self, wish: ReserveTime, now: datetime) -> None:
        """Refuses a booking that this hold is not for."""
        mine = (self.owner_id, self.service_id, self.doctor_id, self.starts_at)
        if mine != (wish.by.id, wish.service_id, wish.doctor_id, wish.starts_at):
            raise HoldMismatch
        if not self.stands(now):
            raise HoldExpired
