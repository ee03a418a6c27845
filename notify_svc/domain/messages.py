"""A message to one person about one event, and what has become of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from shared.contracts.events import AppointmentEvent, Event
from shared.kit.ids import derive_id

MOST_ATTEMPTS = 35  # about a day of trying, however long the service itself was away
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
GONE_OUT = frozenset({Status.SENDING, Status.SENT, Status.UNKNOWN})
AMENDED = "appointment.amended.v1"
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
        one = derive_id(event.id, recipient_id, reader)
        return cls(one, event.id, kind, reader, recipient_id, subject_id, facts.get("version", 0), facts, now, now)

    def in_turn(self, others: Iterable[Self], holder: str, now: datetime) -> Self | None:
        """Among those about the same to the same person none overtakes another: None while an older one is in someone's hand."""
        if any(other.version > self.version and other.status in GONE_OUT for other in others):
            return self.skipped()
        if any(other.version < self.version and other.status is Status.SENDING for other in others):
            return None
        return self.taken(holder, now)

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
        """Tried again after a pause that doubles."""
        if self.attempts >= MOST_ATTEMPTS:
            return self.failed(problem)
        pause = min(timedelta(seconds=2 ** (self.attempts - 1)), LONGEST_PAUSE)
        return replace(self, status=Status.QUEUED, due_at=now + pause, problem=problem[:500])

    def abandoned(self, problem: str, repeatable: bool, now: datetime) -> Self:
        """Its holder died or stumbled: it goes again unless the server may have it and would send it twice."""
        return self.unknown(problem) if self.handed_over and not repeatable else self.deferred(problem, now)


def outdates(event: AppointmentEvent) -> bool:
    """Whether what was said before no longer holds: an amendment changes nothing that is told, so a word that it overtook still counts."""
    return event.topic != AMENDED


def about(event: AppointmentEvent, now: datetime) -> Iterator[Message]:
    """To patient and doctor, one each; where the doctor is another, it is a new appointment to the one and gone to the other."""
    kind = TOLD.get(event.topic)
    if kind is None:
        return
    yield Message.of(event, kind, Reader.PATIENT, event.patient_id, now)
    if event.previous_doctor_id in (None, event.doctor_id):
        yield Message.of(event, kind, Reader.DOCTOR, event.doctor_id, now)
        return
    new = Kind.REQUESTED if event.status == "requested" else Kind.BOOKED
    yield Message.of(before_forgotten(event), new, Reader.DOCTOR, event.doctor_id, now)
    yield Message.of(as_it_was(event), Kind.GIVEN_AWAY, Reader.DOCTOR, event.previous_doctor_id, now)


def before_forgotten(event: AppointmentEvent) -> AppointmentEvent:
    """As someone hears it who never knew the time before."""
    return event.model_copy(update={"previous_starts_at": None, "previous_doctor_id": None})


def as_it_was(event: AppointmentEvent) -> AppointmentEvent:
    """As the doctor knows it who had it."""
    starts_at = event.previous_starts_at or event.starts_at
    before = {"starts_at": starts_at, "ends_at": starts_at + (event.ends_at - event.starts_at), "doctor_id": event.previous_doctor_id}
    return before_forgotten(event).model_copy(update=before)
