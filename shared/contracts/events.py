"""The events that services publish: CloudEvents 1.0 in JSON. They carry ids, times and versions, and no personal data of patients."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.audit import AuditState
from shared.contracts.http import Actor, DoctorRules, LeaveOutcome, ServiceTypeRules, VisitMode
from shared.contracts.identity import Role, Service
from shared.contracts.values import Instant

PATIENT_CHANGED = "patient"
"""What an amendment names as changed after the patient of an appointment was merged into another one."""
TOPICS: dict[str, type[Event]] = {}  # the event class of every topic


class Event(BaseModel):
    """Something that happened at `occurred_at`.

    Consumers recognise an event that is delivered twice by its `id`. `topic` is both its CloudEvents type and its routing key; `subject`
    names the field that identifies what the event is about. A subclass that declares `topic` is registered in TOPICS.
    """

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
        """Return the event as a CloudEvents envelope (CNCF CloudEvents 1.0.2, JSON format) sent by the service `source`."""
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
        """Return the event in an envelope. Raises ValueError for an unknown type, KeyError or ValidationError for a missing field."""
        event_class = TOPICS.get(envelope.get("type", ""))
        if event_class is None:
            raise ValueError(f"unknown event type {envelope.get('type')!r}")
        return event_class.model_validate({**envelope["data"], "id": envelope["id"], "occurred_at": envelope["time"]})


class SessionEnded(Event):
    """A session ended: its tokens are refused from now on. The last of them expires at `expires_at`."""

    topic = "session.ended.v1"
    subject = "session_id"
    session_id: UUID
    account_id: UUID
    expires_at: Instant


class AccountChanged(Event):
    """An account was created, or its role, status, email address, name or language changed."""

    topic = "account.changed.v1"
    subject = "account_id"
    account_id: UUID
    role: Role
    status: Literal["invited", "active", "disabled"]
    version: int


class AccountInvited(Event):
    """A user was invited by mail. auth-service returns the password reset token for `reset_id`; the token expires at `expires_at`."""

    topic = "account.invited.v1"
    subject = "account_id"
    account_id: UUID
    reset_id: UUID
    expires_at: Instant


class PasswordResetRequested(Event):
    """A password reset was requested. auth-service returns the token for `reset_id`; the token expires at `expires_at`."""

    topic = "password.reset_asked.v1"
    subject = "account_id"
    account_id: UUID
    reset_id: UUID
    expires_at: Instant


class PasswordChanged(Event):
    """The password of an account was changed; its owner is notified."""

    topic = "password.changed.v1"
    subject = "account_id"
    account_id: UUID


class AccountLocked(Event):
    """Signing in to an account is delayed after too many wrong passwords.

    The event is published once for several delays in a row, so that the owner is notified once.
    """

    topic = "account.locked.v1"
    subject = "account_id"
    account_id: UUID


class PatientChanged(Event):
    """A patient's profile was created or changed."""

    topic = "patient.changed.v1"
    subject = "patient_id"
    patient_id: UUID
    version: int


class PatientErased(Event):
    """The identity of a patient was erased in patient-service. Every service erases what it has, and reports it to patient-service.

    The event is published in two passes: at once, and again some minutes later for what was stored meanwhile. In each of them it is
    published again, with another `id`, until all services have reported.
    """

    topic = "patient.erased.v1"
    subject = "patient_id"
    patient_id: UUID
    erasure_id: UUID
    pass_number: int


class PatientMerged(Event):
    """A patient was merged into the patient `into`, who has the visits, the medical history and the guardians from now on.

    `version` is that of what remains of the old profile, of which nothing but its id can be read any more.
    """

    topic = "patient.merged.v1"
    subject = "patient_id"
    patient_id: UUID
    into: UUID
    version: int


class PreferencesChanged(Event):
    """What a patient decides about reminders changed: when they are due, quiet hours, or the language. `version` is that of these."""

    topic = "preferences.changed.v1"
    subject = "patient_id"
    patient_id: UUID
    version: int


class BreakGlassOpened(Event):
    """An admin opened the medical history of a patient, for reading, until `expires_at`. The patient gets a mail."""

    topic = "break_glass.opened.v1"
    subject = "break_glass_id"
    break_glass_id: UUID
    patient_id: UUID
    admin_id: UUID
    expires_at: Instant


class AuditRecorded(Event):
    """Somebody read or changed data of a person, or was refused.

    `action` is `noun.verb`, such as `medical_history.read`. `relation` says why the actor may, or which rule staff lifted; it is
    null after a refusal. `row_id` names the row of the service `source` that this is about; free text stays in that row. `before` and
    `after` are the codes, ids and instants that a change changed.
    """

    topic = "audit.recorded.v1"
    subject = "subject_id"
    subject_id: UUID
    actor_id: UUID
    actor_role: Role
    action: str
    relation: str | None = None
    outcome: Literal["done", "refused"]
    row_id: UUID | None = None
    request_id: str | None = None
    source: Service
    before: AuditState | None = None
    after: AuditState | None = None


class SettingsChanged(Event):
    """The clinic's settings were changed. Services fetch them from admin-service; `version` is the new one."""

    topic = "settings.changed.v1"
    subject = "clinic_id"
    clinic_id: UUID
    version: int


class DoctorChanged(Event):
    """A doctor's profile or working hours changed. `rules` is complete, so that consumers can ignore older versions."""

    topic = "doctor.changed.v1"
    subject = "doctor_id"
    doctor_id: UUID
    version: int
    rules: DoctorRules


class ServiceChanged(Event):
    """A service type was created or changed. `rules` is complete, so that consumers can ignore older versions."""

    topic = "service.changed.v1"
    subject = "service_id"
    service_id: UUID
    version: int
    rules: ServiceTypeRules


class LeaveTaken(Event):
    """A doctor's leave was created. `displaced` lists the appointments that were moved or cancelled for it, not those that were kept."""

    topic = "leave.taken.v1"
    subject = "leave_id"
    leave_id: UUID
    doctor_id: UUID
    starts_at: Instant
    ends_at: Instant
    displaced: list[LeaveOutcome]
    actor: Actor


class AppointmentEvent(Event):
    """The fields that all events of an appointment share.

    `version` grows with every change. `event_number` counts the events of the appointment, from 1 on and without gaps; it is 0 in events
    that were published before they had it. `sequence` is that of iCalendar (RFC 5545 section 3.8.7.4): it grows when time, status, doctor
    or place change. `starts_at` and `ends_at` are UTC; `time_zone` is the IANA zone of the doctor. `changed` names what an amendment
    changed (`place`, `doctor_name`, `reason`, `intake`, `confirmation`, or `patient` where two patients were merged); after a move or a
    restore, what the same doctor has changed since (`place` and `doctor_name`), and `check_in` when a mistaken check-in was undone and the
    visit is booked again. `mode` is how the visit takes place, as agreed at booking. `booked_at` and `booked_by` say when and by whom the
    booking was requested, `capacity` how many patients the service admits to one visit, and `confirmed_at` when the patient said that they
    will come to the visit as it is now. Events of earlier releases do not have these four.
    """

    subject = "appointment_id"
    appointment_id: UUID
    version: int
    event_number: int = Field(default=0, ge=0)
    sequence: int = Field(ge=0)
    status: str
    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant
    time_zone: str
    mode: VisitMode = "in_person"
    previous_starts_at: Instant | None = None
    previous_doctor_id: UUID | None = None
    actor: Actor
    changed: list[str] = Field(default_factory=list)
    booked_at: Instant | None = None
    booked_by: Actor | None = None
    capacity: int = Field(default=1, ge=1)
    confirmed_at: Instant | None = None

    @classmethod
    def for_topic(cls, topic: str, **fields: Any) -> Self:
        """Return the event of a topic such as `appointment.booked.v1`."""
        return TOPICS[topic](**fields)  # type: ignore[return-value]


class AppointmentRequested(AppointmentEvent):
    """A patient requested an appointment that the clinic must approve; the time is reserved until then."""

    topic = "appointment.requested.v1"


class AppointmentBooked(AppointmentEvent):
    """An appointment was booked: at once, by approval, or by restoring a cancelled one."""

    topic = "appointment.booked.v1"


class AppointmentDeclined(AppointmentEvent):
    """The clinic declined a requested appointment."""

    topic = "appointment.declined.v1"


class AppointmentExpired(AppointmentEvent):
    """A requested appointment was not approved before its start."""

    topic = "appointment.expired.v1"


class AppointmentRescheduled(AppointmentEvent):
    """An appointment was moved to another time or doctor; the `previous_...` fields are the time and doctor before."""

    topic = "appointment.rescheduled.v1"


class AppointmentCancelled(AppointmentEvent):
    """An appointment was cancelled by the patient or the clinic."""

    topic = "appointment.cancelled.v1"


class AppointmentCheckedIn(AppointmentEvent):
    """The patient arrived and was checked in."""

    topic = "appointment.checked_in.v1"


class AppointmentStarted(AppointmentEvent):
    """The visit started."""

    topic = "appointment.started.v1"


class AppointmentCompleted(AppointmentEvent):
    """The visit was completed."""

    topic = "appointment.completed.v1"


class AppointmentMissed(AppointmentEvent):
    """The patient did not come to the appointment."""

    topic = "appointment.missed.v1"


class AppointmentAmended(AppointmentEvent):
    """Place, doctor's name, reason, intake form, confirmation or patient of an appointment changed: `changed` says which."""

    topic = "appointment.amended.v1"


class ReminderSent(Event):
    """A reminder of the visit at `starts_at` was sent to the patient or a guardian. `message_id` names it in notification-service."""

    topic = "reminder.sent.v1"
    subject = "appointment_id"
    appointment_id: UUID
    message_id: UUID
    starts_at: Instant
