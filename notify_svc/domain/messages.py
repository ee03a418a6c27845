"""A message to one person about one event, and what has become of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from shared.contracts.events import AppointmentEvent, Event
from shared.kit.ids import same_id

GIVEN_UP_AFTER = timedelta(hours=24)
LONGEST_PAUSE = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(minutes=2)


class Status(StrEnum):
    """`sending`: someone has it in hand; `unknown`: it may have arrived, so it is not sent again; `skipped`: a newer one went out first."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Kind(StrEnum):
    REQUESTED = "requested"
    BOOKED = "booked"
    RESCHEDULED = "rescheduled"
    GIVEN_AWAY = "given_away"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    EXPIRED = "expired"
    INVITED = "invited"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"


class Reader(StrEnum):
    """As whom the recipient reads it."""

    PATIENT = "patient"
    DOCTOR = "doctor"
    OWNER = "owner"


CALLED_OFF = frozenset({Kind.CANCELLED, Kind.DECLINED, Kind.EXPIRED, Kind.GIVEN_AWAY})
TOLD = {
    "appointment.requested.v1": Kind.REQUESTED,
    "appointment.booked.v1": Kind.BOOKED,
    "appointment.rescheduled.v1": Kind.RESCHEDULED,
    "appointment.cancelled.v1": Kind.CANCELLED,
    "appointment.declined.v1": Kind.DECLINED,
    "appointment.expired.v1": Kind.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Message:
    """`facts` is what the event said. `handed_over`: the mail server has, or may have, been given it."""

    id: UUID
    event_id: UUID
    kind: Kind
    reader: Reader
    recipient_id: UUID
    subject_id: UUID
    version: int
    facts: dict[str, Any]
    created_at: datetime
    due_at: datetime
    status: Status = Status.QUEUED
    attempts: int = 0
    holder: str | None = None
    taken_at: datetime | None = None
    handed_over: bool = False
    sent_at: datetime | None = None
    problem: str | None = None

    @classmethod
    def of(cls, event: Event, kind: Kind, reader: Reader, recipient_id: UUID, now: datetime) -> Self:
        """Its id is made from event, recipient and reader: the same event makes the same message."""
        facts = event.model_dump(mode="json")
        subject_id = UUID(facts[event.subject])
        one = same_id(event.id, recipient_id, reader)
        return cls(one, event.id, kind, reader, recipient_id, subject_id, facts.get("version", 0), facts, now, now)

    def taken(self, holder: str, now: datetime) -> Self:
        return replace(self, status=Status.SENDING, attempts=self.attempts + 1, holder=holder, taken_at=now, handed_over=False)

    def handing_over(self) -> Self:
        """From here on nobody can say whether it arrived, until the server has answered."""
        return replace(self, handed_over=True)

    def sent(self, now: datetime) -> Self:
        return replace(self, status=Status.SENT, sent_at=now, problem=None)

    def skipped(self) -> Self:
        return replace(self, status=Status.SKIPPED)

    def failed(self, problem: str) -> Self:
        return replace(self, status=Status.FAILED, problem=problem[:500])

    def unknown(self, problem: str) -> Self:
        return replace(self, status=Status.UNKNOWN, problem=problem[:500])

    def deferred(self, problem: str, now: datetime) -> Self:
        """Tried again after a pause that doubles, for a day."""
        if now - self.created_at > GIVEN_UP_AFTER:
            return self.failed(problem)
        pause = min(timedelta(seconds=2 ** min(self.attempts, 12)), LONGEST_PAUSE)
        return replace(self, status=Status.QUEUED, due_at=now + pause, problem=problem[:500])

    def abandoned(self, repeatable: bool, now: datetime) -> Self:
        """Its holder died: it goes again unless the server may have it and would send it twice."""
        if self.handed_over and not repeatable:
            return self.unknown("the sender died while handing it over")
        return replace(self, status=Status.QUEUED, due_at=now)


def about(event: AppointmentEvent, now: datetime) -> Iterator[Message]:
    """To patient and doctor, one each; a doctor who gave the appointment away is told that it is gone."""
    kind = TOLD.get(event.topic)
    if kind is None:
        return
    yield Message.of(event, kind, Reader.PATIENT, event.patient_id, now)
    yield Message.of(event, kind, Reader.DOCTOR, event.doctor_id, now)
    if event.previous_doctor_id not in (None, event.doctor_id):
        yield Message.of(event, Kind.GIVEN_AWAY, Reader.DOCTOR, event.previous_doctor_id, now)
