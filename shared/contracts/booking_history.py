"""What appointment-service sends to other services about all appointments: ids, times and states, and names to show.

patient-service keeps the booking history from it, admin-service the reports.
"""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from shared.contracts.http import Actor, VisitMode
from shared.contracts.values import Instant, ReadModel, RequestModel

MAX_SNAPSHOTS = 100
"""The largest number of ids in one request."""


class VisitRecord(ReadModel):
    """An appointment as its latest event describes it, with that version or a later one. Times are UTC, `time_zone` is the doctor's.

    `booked_at`, `booked_by`, `capacity` and `confirmed_at` are those of AppointmentEvent.
    """

    appointment_id: UUID
    version: int
    status: str
    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant
    time_zone: str
    booked_at: Instant | None = None
    booked_by: Actor | None = None
    capacity: int = Field(default=1, ge=1)
    confirmed_at: Instant | None = None


class SnapshotRequest(RequestModel):
    """The body of `POST /internal/appointment-snapshots`."""

    ids: list[UUID] = Field(min_length=1, max_length=MAX_SNAPSHOTS)


class ServiceName(ReadModel):
    """The service of an appointment, as it was when booked."""

    id: UUID
    name: str
    mode: VisitMode


class DoctorName(ReadModel):
    """The doctor of an appointment, as the appointment shows them."""

    id: UUID
    full_name: str
    title: str | None


class AppointmentSnapshot(ReadModel):
    """What an appointment shows of its service and doctor. Both are None for an appointment that exists and cannot be read."""

    appointment_id: UUID
    service: ServiceName | None
    doctor: DoctorName | None


class AppointmentSnapshots(ReadModel):
    """The appointments that exist among those that were asked for."""

    items: list[AppointmentSnapshot]
