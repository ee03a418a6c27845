"""What an appointment stores about its synchronisation with the calendar of scheduling-service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from appointment_svc.domain.overrides import AppointmentOverride
from appointment_svc.domain.recording import Change
from appointment_svc.domain.snapshots import DoctorSnapshot
from shared.contracts.http import Actor, Reservation
from shared.contracts.refusals import FAMILY_BY_NAME, Refusal
from shared.contracts.values import format_instant


class IntentKind(StrEnum):
    """What the calendar is asked to do."""

    BOOK = "book"
    MOVE = "move"
    RESTORE = "restore"
    RECLAIM = "reclaim"  # reserve the time that the appointment should already have
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Intent:
    """A request to the calendar that is stored before it is sent, so that the retry job can send it again.

    `since` is when it was stored. `id` is the operation id of the request that caused it. `doctor` is None when any doctor may be chosen.
    `override` is the rule of the calendar that staff lift.
    """

    kind: IntentKind
    actor: Actor
    since: datetime
    revision: int
    starts_at: datetime
    doctor: DoctorSnapshot | None
    id: UUID
    note: str | None = None
    hold_id: UUID | None = None
    override: AppointmentOverride | None = None

    def is_fulfilled_by(self, reservation: Reservation) -> bool:
        """Return True if the reservation has the requested time and doctor and no later revision.

        When a later change was faster, the calendar answers with its current reservation. The calendar stores whole seconds.
        """
        same_doctor = self.doctor is None or self.doctor.id == reservation.doctor_id
        same_start = format_instant(self.starts_at) == format_instant(reservation.starts_at)
        return same_doctor and same_start and reservation.revision <= self.revision

    def change(self, at: datetime, event_id: UUID) -> Change:
        """Return the change that completing this intent records."""
        return Change(self.actor, at, self.id, event_id, self.note)


@dataclass(frozen=True, slots=True)
class StoredRefusal:
    """The refusal of one operation, stored so that a repeated request gets the same answer."""

    operation_id: UUID
    family: str
    code: str
    detail: str
    facts: dict[str, Any]

    @classmethod
    def of(cls, refusal: Refusal, operation_id: UUID) -> Self:
        """Return the storable form of a refusal."""
        family = next(name for name, family in FAMILY_BY_NAME.items() if isinstance(refusal, family))
        return cls(operation_id, family, refusal.code, refusal.detail, refusal.facts)

    def refusal(self) -> Refusal:
        """Return the refusal as it was raised first."""
        return FAMILY_BY_NAME[self.family](self.detail, code=self.code, **self.facts)


@dataclass(frozen=True, slots=True)
class CalendarSync:
    """`intent` is the request under way, at most one; `revision` is the last one that was used; `stored_refusal` is the last refusal.

    Every request to the calendar has a higher revision than the one before, so the calendar ignores copies that arrive late.
    """

    intent: Intent | None = None
    revision: int = 0
    stored_refusal: StoredRefusal | None = None

    def is_releasing(self, revision: int) -> bool:
        """Return True if a release of the reservation with this revision is under way."""
        return self.intent is not None and self.intent.kind is IntentKind.RELEASE and self.intent.revision >= revision

    def with_revision(self, revision: int) -> Self:
        """Return self with at least this revision, so that later requests are newer than what the calendar has."""
        return replace(self, revision=max(self.revision, revision))

    def is_refused(self, operation_id: UUID) -> bool:
        """Return True if this operation was refused."""
        return self.stored_refusal is not None and self.stored_refusal.operation_id == operation_id
