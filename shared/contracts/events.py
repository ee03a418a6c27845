"""What the services tell each other: CloudEvents 1.0 in JSON, with ids, times and versions and nothing that names a person."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.http import Actor, DoctorRules, LeaveOutcome, ServiceTypeRules
from shared.contracts.identity import Role
from shared.contracts.values import Instant

TOPICS: dict[str, type[Event]] = {}


class Event(BaseModel):
    """One thing that happened. `id` is its identity for every consumer; `topic` its type and routing key."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    topic: ClassVar[str]
    subject: ClassVar[str]
    id: UUID
    occurred_at: Instant

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if "topic" in cls.__dict__:
            TOPICS[cls.topic] = cls

    def to_cloudevent(self, source: str, traceparent: str | None = None) -> dict[str, Any]:
        """The CloudEvents envelope (CNCF CloudEvents 1.0.2, JSON format)."""
        data = self.model_dump(mode="json", exclude={"id", "occurred_at"})
        envelope = {
            "specversion": "1.0",
            "id": str(self.id),
            "source": source,
            "type": self.topic,
            "subject": data[self.subject],
            "time": self.model_dump(mode="json")["occurred_at"],
            "datacontenttype": "application/json",
            "data": data,
        }
        return envelope | ({"traceparent": traceparent} if traceparent else {})

    @classmethod
    def from_cloudevent(cls, envelope: dict[str, Any]) -> Event:
        """The event in an envelope; an unknown type or a missing field raises ValueError."""
        kind = TOPICS.get(envelope.get("type", ""))
        if kind is None:
            raise ValueError(f"unknown event type {envelope.get('type')!r}")
        return kind.model_validate({**envelope["data"], "id": envelope["id"], "occurred_at": envelope["time"]})


class SessionEnded(Event):
    """Tokens of this session are refused from now on; after `expires_at` none of them can be valid anyway."""

    topic = "session.ended.v1"
    subject = "session_id"
    session_id: UUID
    account_id: UUID
    expires_at: Instant


class AccountChanged(Event):
    """An account was made, or its role or status changed."""

    topic = "account.changed.v1"
    subject = "account_id"
    account_id: UUID
    role: Role
    status: Literal["invited", "active", "disabled"]
    version: int


class AccountInvited(Event):
    """A member of staff was invited: the mail carries a password reset token, which auth-service hands out for `reset_id`."""

    topic = "account.invited.v1"
    subject = "account_id"
    account_id: UUID
    reset_id: UUID
    expires_at: Instant


class PasswordResetRequested(Event):
    """Someone asked for a new password: as with an invitation, the token is fetched when the mail is written."""

    topic = "password.reset_asked.v1"
    subject = "account_id"
    account_id: UUID
    reset_id: UUID
    expires_at: Instant


class PasswordChanged(Event):
    """The password is a new one; the owner is told."""

    topic = "password.changed.v1"
    subject = "account_id"
    account_id: UUID


class PatientChanged(Event):
    """A patient's profile was made or changed."""

    topic = "patient.changed.v1"
    subject = "patient_id"
    patient_id: UUID
    version: int


class DoctorChanged(Event):
    """A doctor's profile or hours changed; the rules are whole, so that an older version can be thrown away."""

    topic = "doctor.changed.v1"
    subject = "doctor_id"
    doctor_id: UUID
    version: int
    rules: DoctorRules


class ServiceChanged(Event):
    """A service type was made or changed."""

    topic = "service.changed.v1"
    subject = "service_id"
    service_id: UUID
    version: int
    rules: ServiceTypeRules


class LeaveTaken(Event):
    """A doctor's leave was decided, and with it what becomes of the appointments in its time; those that are kept are not named."""

    topic = "leave.taken.v1"
    subject = "leave_id"
    leave_id: UUID
    doctor_id: UUID
    starts_at: Instant
    ends_at: Instant
    displaced: list[LeaveOutcome]
    actor: Actor


class AppointmentEvent(Event):
    """What all events of an appointment say. `sequence` is iCalendar's (RFC 5545 section 3.8.7.4): it grows when the time changes."""

    subject = "appointment_id"
    appointment_id: UUID
    version: int
    sequence: int = Field(ge=0)
    status: str
    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant
    time_zone: str
    previous_starts_at: Instant | None = None
    previous_doctor_id: UUID | None = None
    actor: Actor

    @classmethod
    def for_topic(cls, topic: str, **fields: Any) -> Self:
        """The event of that topic, `appointment.booked.v1` say."""
        return TOPICS[topic](**fields)  # type: ignore[return-value]


class AppointmentRequested(AppointmentEvent):
    """A patient asked for a time that the clinic must approve; it is theirs meanwhile."""

    topic = "appointment.requested.v1"


class AppointmentBooked(AppointmentEvent):
    """The time is granted: booked at once, approved, or restored."""

    topic = "appointment.booked.v1"


class AppointmentDeclined(AppointmentEvent):
    """The clinic declined a request."""

    topic = "appointment.declined.v1"


class AppointmentExpired(AppointmentEvent):
    """Nobody approved a request before its time came."""

    topic = "appointment.expired.v1"


class AppointmentRescheduled(AppointmentEvent):
    """Same appointment, another time or doctor; `previous_...` tell the old."""

    topic = "appointment.rescheduled.v1"


class AppointmentCancelled(AppointmentEvent):
    """Called off by patient or clinic."""

    topic = "appointment.cancelled.v1"


class AppointmentCheckedIn(AppointmentEvent):
    """The patient is here."""

    topic = "appointment.checked_in.v1"


class AppointmentStarted(AppointmentEvent):
    """The visit has begun."""

    topic = "appointment.started.v1"


class AppointmentCompleted(AppointmentEvent):
    """The visit is over."""

    topic = "appointment.completed.v1"


class AppointmentMissed(AppointmentEvent):
    """The patient did not come."""

    topic = "appointment.missed.v1"


class AppointmentAmended(AppointmentEvent):
    """Reason or intake changed; neither travels."""

    topic = "appointment.amended.v1"
