"""The body that webhooks receive: ids, times and states, and nothing about health."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from notify_svc.domain.webhooks import PING, WebhookEventType
from shared.contracts.appointments import AppointmentStatus
from shared.contracts.events import AppointmentEvent
from shared.contracts.http import VisitMode
from shared.contracts.values import Instant, ReadModel


class WebhookAppointment(ReadModel):
    """The appointment after the event. `time_zone` is the doctor's."""

    id: UUID
    status: AppointmentStatus
    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant
    time_zone: str = Field(examples=["Europe/Berlin"])
    mode: VisitMode


class WebhookPreviousSlot(ReadModel):
    """The start and the doctor before a move."""

    starts_at: Instant | None
    doctor_id: UUID | None


class WebhookData(ReadModel):
    """`previous` is null unless the appointment was moved."""

    appointment: WebhookAppointment
    previous: WebhookPreviousSlot | None = None


class WebhookBody(ReadModel):
    """An event as webhooks receive it.

    `id` is that of the header `webhook-id`. `sequence` counts the events of the appointment and grows without gaps; it is not iCalendar's.
    `version` is that of the appointment.
    """

    id: UUID
    type: WebhookEventType
    version: int
    sequence: int
    occurred_at: Instant
    data: WebhookData


class WebhookPingBody(ReadModel):
    """The body of a ping, which is sent on request and has nothing to do with an appointment."""

    id: UUID
    type: Literal["ping"] = PING
    occurred_at: Instant


def webhook_event_type(event: AppointmentEvent) -> WebhookEventType:
    """Return the public type of an event: its topic without the version."""
    return WebhookEventType(event.topic.rsplit(".", 1)[0])


def event_body(event: AppointmentEvent) -> str:
    """Return the body of an event as JSON."""
    facts = {name: getattr(event, name) for name in WebhookAppointment.model_fields if name != "id"}
    is_move = event.previous_starts_at is not None or event.previous_doctor_id is not None
    previous = WebhookPreviousSlot(starts_at=event.previous_starts_at, doctor_id=event.previous_doctor_id) if is_move else None
    return WebhookBody(
        id=event.id,
        type=webhook_event_type(event),
        version=event.version,
        sequence=event.event_number,
        occurred_at=event.occurred_at,
        data=WebhookData(appointment=WebhookAppointment(id=event.appointment_id, **facts), previous=previous),
    ).model_dump_json()


def ping_body(ping_id: UUID, now: datetime) -> str:
    """Return the body of a ping as JSON."""
    return WebhookPingBody(id=ping_id, occurred_at=now).model_dump_json()
