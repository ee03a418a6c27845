"""Visits as notification-service knows them from the events of appointments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from shared.contracts.appointments import AppointmentStatus
from shared.contracts.events import AppointmentBooked, AppointmentEvent
from shared.contracts.http import VisitMode


@dataclass(frozen=True, slots=True)
class Visit:
    """The newest known state of an appointment. `time_zone` is the doctor's (IANA).

    Reminders are planned again when `planning_due_at` has come. Offsets that have no reminder yet count from `wanted_since` on: a reminder
    that would have been due before it is not wanted. `revision` counts what made planning necessary.
    """

    appointment_id: UUID
    version: int
    status: str
    starts_at: datetime
    ends_at: datetime
    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    mode: VisitMode
    time_zone: str
    sequence: int
    wanted_since: datetime
    planning_due_at: datetime | None
    revision: int = 0

    @classmethod
    def from_event(cls, event: AppointmentEvent, now: datetime) -> Self:
        """Return the visit after its first known event. Reminders are planned at once if it is booked."""
        return cls(
            appointment_id=event.appointment_id,
            version=event.version,
            status=event.status,
            starts_at=event.starts_at,
            ends_at=event.ends_at,
            service_id=event.service_id,
            doctor_id=event.doctor_id,
            patient_id=event.patient_id,
            mode=event.mode,
            time_zone=event.time_zone,
            sequence=event.sequence,
            wanted_since=event.occurred_at,
            planning_due_at=now if event.status == AppointmentStatus.BOOKED else None,
        )

    @property
    def is_booked(self) -> bool:
        """Whether the patient is expected to come."""
        return self.status == AppointmentStatus.BOOKED

    def follow(self, event: AppointmentEvent, now: datetime) -> Self:
        """Return the visit after a newer event. Reminders stay as they are if it is booked for the same start as before."""
        updated = replace(self.from_event(event, now), sequence=max(self.sequence, event.sequence))
        if self.keeps_reminders_after(event):
            return replace(updated, wanted_since=self.wanted_since, planning_due_at=self.planning_due_at, revision=self.revision)
        return replace(updated, revision=self.revision + 1)

    def keeps_reminders_after(self, event: AppointmentEvent) -> bool:
        """Return whether an event leaves the visit booked for the same start.

        A booking always counts as a new one: the visit was approved or restored, even if the event in between has not arrived yet.
        """
        is_same_start = event.starts_at == self.starts_at and event.previous_starts_at in (None, event.starts_at)
        is_booked_still = self.is_booked and event.status == AppointmentStatus.BOOKED and event.topic != AppointmentBooked.topic
        return is_same_start and is_booked_still
