"""The bodies of the booking history."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from pydantic import Field

from patient_svc.domain.visits import HistoryVisit
from shared.contracts.appointments import AppointmentStatus
from shared.contracts.http import VisitMode
from shared.contracts.pages import Page
from shared.contracts.values import Instant, ReadModel


class HistoryServiceOut(ReadModel):
    """The service as it was when booked. Name and mode are null where appointment-service did not tell them."""

    id: UUID
    name: str | None = Field(examples=["Check-up"])
    mode: VisitMode | None = Field(examples=["in_person"])


class HistoryDoctorOut(ReadModel):
    """The doctor of the visit. Name and title are null where appointment-service did not tell them."""

    id: UUID
    full_name: str | None = Field(examples=["Ada Weiss"])
    title: str | None = Field(examples=["Dr."])


class HistoryVisitOut(ReadModel):
    """A visit of a patient: when, where it stands, and with whom. Everybody who may see the list sees the same.

    It has no reason, no intake form and nothing else about health. `local_start` is the start in `time_zone`, the zone of the doctor.
    """

    appointment_id: UUID
    status: AppointmentStatus
    starts_at: Instant
    ends_at: Instant
    local_start: str = Field(examples=["2026-03-09T14:00"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    service: HistoryServiceOut
    doctor: HistoryDoctorOut

    @classmethod
    def of(cls, visit: HistoryVisit) -> Self:
        """Return the visit with the ids that the read model has, and the names that it may have."""
        service, doctor = visit.service, visit.doctor
        return cls(
            appointment_id=visit.appointment_id,
            status=visit.status,
            starts_at=visit.starts_at,
            ends_at=visit.ends_at,
            local_start=visit.local_start,
            time_zone=visit.time_zone,
            service=HistoryServiceOut(id=visit.service_id, name=service and service.name, mode=service and service.mode),
            doctor=HistoryDoctorOut(id=visit.doctor_id, full_name=doctor and doctor.full_name, title=doctor and doctor.title),
        )


class BookingHistoryPage(Page[HistoryVisitOut]):
    """One page of the booking history.

    `complete` is false if the names are missing because appointment-service did not answer.
    """

    complete: bool = Field(examples=[True])
