"""Events, messages and recipients for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from notify_svc.domain.mail_content import AppointmentDetails, Clinic, Recipient
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind, Notification
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AppointmentEvent, Event
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from tests.running import NOON

EVENT, APPOINTMENT, SERVICE, DOCTOR, PATIENT, ADMIN = [UUID(int=number) for number in range(1, 7)]
CLINIC = Clinic("Careslot Clinic", "clinic@careslot.example", "https://clinic.example")
DETAILS = AppointmentDetails("Dr. Ada Brandt", "Room 3", "Mina Park")


def an_event(topic: str = "appointment.booked.v1", **changes: Any) -> AppointmentEvent:
    facts: dict[str, Any] = {
        "starts_at": datetime(2026, 3, 9, 13, tzinfo=UTC),
        "version": 2,
        "sequence": 0,
        "status": "booked",
        "time_zone": "Europe/Berlin",
    } | changes
    facts.setdefault("ends_at", facts["starts_at"] + timedelta(minutes=30))
    ids = {"id": EVENT, "appointment_id": APPOINTMENT, "service_id": SERVICE, "doctor_id": DOCTOR, "patient_id": PATIENT}
    return AppointmentEvent.for_topic(topic, occurred_at=NOON, actor=Actor(id=ADMIN, role=Role.ADMIN), **ids | facts)


def message_for(event: Event, kind: MessageKind, audience: Audience, recipient_id: UUID = PATIENT) -> Message:
    """Return the message as the queue makes it."""
    message_id = derive_id(event.id, recipient_id, audience)
    return Message.from_notification(message_id, Notification(event, kind, audience, recipient_id), NOON)


def a_message(kind: MessageKind = MessageKind.BOOKED, audience: Audience = Audience.PATIENT, **changes: Any) -> Message:
    return message_for(an_event(**changes), kind, audience)


def a_recipient(**changes: Any) -> Recipient:
    return Recipient(**{"name": "Mina Park", "email": "mina@example.com", "locale": "en", "time_zone": "Europe/Berlin"} | changes)
