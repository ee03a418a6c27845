"""The read model of the reports: what admin-service knows of every appointment, from events and from appointment-service's list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from shared.contracts.appointments import AppointmentStatus
from shared.contracts.booking_history import VisitRecord
from shared.contracts.events import AppointmentEvent, ReminderSent
from shared.contracts.http import Actor
from shared.contracts.identity import Role

S = AppointmentStatus
ARRIVED = frozenset({S.CHECKED_IN, S.IN_PROGRESS, S.COMPLETED})
"""The statuses of a visit to which the patient came."""
HELD = ARRIVED | {S.BOOKED, S.MISSED}
"""The statuses of a visit for which the doctor's time was kept."""
CALLED_OFF = frozenset({S.CANCELLED, S.DECLINED, S.EXPIRED})
"""The statuses of a booking that did not become a visit."""
PRECEDING = ARRIVED | {S.BOOKED}
"""The statuses of an earlier visit which make a later one of the same patient a returning patient's."""
UNKNOWN_CHANNEL = "unknown"


@dataclass(frozen=True, slots=True)
class ReportVisit:
    """An appointment in the reports. Times are UTC; nothing in it depends on the clinic's zone, so that the zone may change.

    `channel` is the booker's role, or `client:` and the id of an API client. `lead_days` are whole days of 24 hours from the booking to the
    start, None where the time of the booking is not known. The seats of a group session (`is_group`) have the same service, doctor and
    start.
    """

    appointment_id: UUID
    version: int
    doctor_id: UUID
    service_id: UUID
    patient_id: UUID
    status: AppointmentStatus
    starts_at: datetime
    minutes: int
    is_group: bool
    channel: str
    lead_days: int | None
    is_confirmed: bool

    @classmethod
    def of(cls, source: AppointmentEvent | VisitRecord) -> Self:
        """Return the visit that an event or a record describes."""
        return cls(
            appointment_id=source.appointment_id,
            version=source.version,
            doctor_id=source.doctor_id,
            service_id=source.service_id,
            patient_id=source.patient_id,
            status=AppointmentStatus(source.status),
            starts_at=source.starts_at,
            minutes=(source.ends_at - source.starts_at) // timedelta(minutes=1),
            is_group=source.capacity > 1,
            channel=channel_of(source.booked_by),
            lead_days=max(0, (source.starts_at - source.booked_at).days) if source.booked_at else None,
            is_confirmed=source.confirmed_at is not None,
        )


@dataclass(frozen=True, slots=True)
class VisitReminder:
    """A reminder that was sent for the visit of an appointment at `starts_at`. After a move it no longer concerns the appointment."""

    appointment_id: UUID
    starts_at: datetime
    sent_at: datetime

    @classmethod
    def of(cls, event: ReminderSent) -> Self:
        """Return the reminder that an event announces."""
        return cls(event.appointment_id, event.starts_at, event.occurred_at)


def channel_of(booked_by: Actor | None) -> str:
    """Return the channel of a booking: the booker's role, or the API client with its id."""
    if booked_by is None:
        return UNKNOWN_CHANNEL
    return f"client:{booked_by.id}" if booked_by.role is Role.CLIENT else booked_by.role.value
