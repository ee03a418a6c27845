"""What is still to be done about an appointment's time, what was refused, and what was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from appointment_svc.domain.snapshots import DoctorSnapshot
from shared.contracts import refusals
from shared.contracts.http import Actor, Reservation
from shared.contracts.refusals import Refusal
from shared.contracts.values import format_instant


class Kind(StrEnum):
    """What is to be done with the time: take it, change it, take it again, make sure that it is there, give it back."""

    BOOK = "book"
    MOVE = "move"
    RESTORE = "restore"
    RECLAIM = "reclaim"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Intent:
    """A change of the calendar that is on paper and not yet done: whoever finds it finishes it. No doctor: whoever is free."""

    kind: Kind
    by: Actor
    since: datetime
    revision: int
    starts_at: datetime
    doctor: DoctorSnapshot | None
    id: UUID
    note: str | None = None
    hold_id: UUID | None = None

    def is_met_by(self, reservation: Reservation) -> bool:
        """False when a later change overtook the wish: the calendar answers with what stands, and it speaks in seconds."""
        there = self.doctor is None or self.doctor.id == reservation.doctor_id
        same = there and format_instant(self.starts_at) == format_instant(reservation.starts_at)
        return same and reservation.revision <= self.revision


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the history. `id` is that of the keyed wish that made it, where there was one."""

    id: UUID
    at: datetime
    actor: Actor
    action: str
    before: dict[str, str]
    after: dict[str, str]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Denial:
    """A refused wish keeps its refusal, so that a repeated wish gets the same answer."""

    wish: UUID
    family: str
    code: str
    title: str
    detail: str
    facts: dict[str, Any]

    @classmethod
    def of(cls, refusal: Refusal, wish: UUID) -> Self:
        family = next(kind.__name__ for kind in type(refusal).__mro__ if Refusal in kind.__bases__)
        return cls(wish, family, refusal.code, refusal.title, refusal.detail, refusal.facts)

    def refusal(self) -> Refusal:
        """As it was met."""
        kind: Any = type("Denied", (getattr(refusals, self.family),), {"code": self.code})
        kind.title = self.title
        refusal: Refusal = kind(self.detail, **self.facts)
        return refusal
