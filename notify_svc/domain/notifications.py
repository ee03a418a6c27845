"""Which people are notified about an event, and of what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.contracts.events import AppointmentAmended, AppointmentEvent, Event
from shared.contracts.http import VisitMode


class MessageKind(StrEnum):
    """What a message is about."""

    REQUESTED = "requested"
    BOOKED = "booked"
    RESCHEDULED = "rescheduled"
    AMENDED = "amended"
    GIVEN_AWAY = "given_away"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    EXPIRED = "expired"
    REMINDER = "reminder"
    DIGEST = "digest"
    INVITED = "invited"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"
    ACCOUNT_LOCKED = "account_locked"
    WEBHOOK_PAUSED = "webhook_paused"
    RECORD_OPENED = "record_opened"
    CLINIC_MESSAGE = "clinic_message"


class Audience(StrEnum):
    """In which role the recipient reads a message. `owner` is the owner of an account."""

    PATIENT = "patient"
    DOCTOR = "doctor"
    OWNER = "owner"


CANCELLING_KINDS = frozenset({MessageKind.CANCELLED, MessageKind.DECLINED, MessageKind.EXPIRED, MessageKind.GIVEN_AWAY})
"""The kinds after which the recipient no longer has the appointment."""
KINDS_ABOUT_COMING_VISITS = frozenset({MessageKind.REQUESTED, MessageKind.BOOKED, MessageKind.RESCHEDULED, MessageKind.AMENDED})
"""The kinds that tell of a visit that is to come, so they are of no use once it has begun."""
KINDS_WITHOUT_LINK = frozenset({MessageKind.PASSWORD_CHANGED, MessageKind.ACCOUNT_LOCKED, MessageKind.DIGEST, MessageKind.WEBHOOK_PAUSED})
"""The kinds of mails to the owner of an account without a link to choose a password."""
KINDS_WITH_LINK = frozenset({MessageKind.INVITED, MessageKind.RESET})
"""The kinds of mails with a link to choose a password."""
KINDS_ABOUT_PATIENTS = frozenset({MessageKind.RECORD_OPENED, MessageKind.CLINIC_MESSAGE})
"""The kinds of mails to a patient, or to the guardians, that are not about one appointment."""
KINDS_WITHOUT_APPOINTMENT = KINDS_WITH_LINK | KINDS_WITHOUT_LINK | KINDS_ABOUT_PATIENTS
"""The kinds whose subject is not an appointment."""
KINDS_WITHOUT_CALENDAR = frozenset({MessageKind.REMINDER, MessageKind.DIGEST})
"""The kinds of mails about visits that change nothing in a calendar, so they have no calendar file."""
KIND_OF_TOPIC = {
    "appointment.requested.v1": MessageKind.REQUESTED,
    "appointment.booked.v1": MessageKind.BOOKED,
    "appointment.rescheduled.v1": MessageKind.RESCHEDULED,
    "appointment.cancelled.v1": MessageKind.CANCELLED,
    "appointment.declined.v1": MessageKind.DECLINED,
    "appointment.expired.v1": MessageKind.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Notification:
    """What one person is notified of. `event` has the facts for this person, who may know other times than the other recipients."""

    event: Event
    kind: MessageKind
    audience: Audience
    recipient_id: UUID


def is_amendment(event: AppointmentEvent) -> bool:
    """Return whether an event changes neither time nor status nor doctor, so that messages about older versions stay valid."""
    return event.topic == AppointmentAmended.topic


def visible_changes(changed: Iterable[str], mode: VisitMode) -> frozenset[str]:
    """Return which of the changes of an amendment the patient sees: the doctor's name, and the place if the visit is in person."""
    return frozenset(changed) & ({"place", "doctor_name"} if mode == "in_person" else {"doctor_name"})


def notifications_for(event: AppointmentEvent) -> Iterator[Notification]:
    """Yield the notifications of patient and doctor; none for events that change nothing in a calendar.

    When the appointment moved to another doctor, it is a new appointment for that doctor and a cancelled one for the doctor before. Of an
    amended place or name only the patient is notified, because the doctor knows it. An undone check-in changes nothing else.
    """
    if is_amendment(event) or "check_in" in event.changed:
        if visible_changes(event.changed, event.mode):
            yield Notification(event, MessageKind.AMENDED, Audience.PATIENT, event.patient_id)
        return
    kind = KIND_OF_TOPIC.get(event.topic)
    if kind is None:
        return
    yield Notification(event, kind, Audience.PATIENT, event.patient_id)
    if event.previous_doctor_id in (None, event.doctor_id):
        yield Notification(event, kind, Audience.DOCTOR, event.doctor_id)
        return
    kind_for_new_doctor = MessageKind.REQUESTED if event.status == "requested" else MessageKind.BOOKED
    yield Notification(without_previous(event), kind_for_new_doctor, Audience.DOCTOR, event.doctor_id)
    yield Notification(at_previous_time(event), MessageKind.GIVEN_AWAY, Audience.DOCTOR, event.previous_doctor_id)


def without_previous(event: AppointmentEvent) -> AppointmentEvent:
    """Return the event without previous time and doctor, for a person who never had the appointment before."""
    return event.model_copy(update={"previous_starts_at": None, "previous_doctor_id": None})


def at_previous_time(event: AppointmentEvent) -> AppointmentEvent:
    """Return the event with the previous time and doctor as the current ones, for the doctor who had the appointment before."""
    starts_at = event.previous_starts_at or event.starts_at
    ends_at = starts_at + (event.ends_at - event.starts_at)
    return without_previous(event).model_copy(update={"starts_at": starts_at, "ends_at": ends_at, "doctor_id": event.previous_doctor_id})
