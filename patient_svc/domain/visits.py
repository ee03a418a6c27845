"""The visits of patients: what patient-service knows of appointments, from events and from appointment-service's list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from typing_extensions import TypeAliasType

from shared.contracts.appointments import AppointmentStatus
from shared.contracts.booking_history import AppointmentSnapshot, DoctorName, ServiceName, VisitRecord
from shared.contracts.events import AppointmentEvent
from shared.contracts.values import local_start

STATUSES_WITHOUT_TREATMENT = frozenset({"cancelled", "declined", "refused", "expired"})
# A named alias is one schema in the OpenAPI document, so that generated clients have one type for it.
VisitSort = TypeAliasType("VisitSort", Literal["starts_at", "-starts_at"])


@dataclass(frozen=True, slots=True)
class PatientVisit:
    """An appointment of a patient with a doctor. `treats` is true if the doctor treats the patient because of it.

    Times are UTC, `time_zone` is the doctor's. Visits that were recorded before 0.2.0 have neither these nor service and status, until the
    history is rebuilt.
    """

    appointment_id: UUID
    patient_id: UUID
    doctor_id: UUID
    treats: bool
    version: int
    service_id: UUID | None = None
    status: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    time_zone: str | None = None

    @classmethod
    def of(cls, source: AppointmentEvent | VisitRecord) -> Self:
        """Return the visit that an event or a record describes. It counts as treatment until it is cancelled, declined or expired."""
        return cls(
            source.appointment_id,
            source.patient_id,
            source.doctor_id,
            source.status not in STATUSES_WITHOUT_TREATMENT,
            source.version,
            source.service_id,
            source.status,
            source.starts_at,
            source.ends_at,
            source.time_zone,
        )


@dataclass(frozen=True, slots=True)
class VisitFilter:
    """Which visits of a patient to list, and in which order. `begins` and `ends` bound the start, `ends` excluded."""

    statuses: tuple[AppointmentStatus, ...] = ()
    begins: datetime | None = None
    ends: datetime | None = None
    sort: VisitSort = "-starts_at"

    @property
    def is_descending(self) -> bool:
        """True if the latest visit comes first."""
        return self.sort.startswith("-")


@dataclass(frozen=True, slots=True)
class HistoryVisit:
    """A visit of the booking history. Its ids are known from events; the names are None where appointment-service did not tell them."""

    appointment_id: UUID
    status: AppointmentStatus
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    service_id: UUID
    doctor_id: UUID
    service: ServiceName | None = None
    doctor: DoctorName | None = None

    @property
    def local_start(self) -> str:
        """The start in `time_zone`, without offset."""
        return local_start(self.starts_at, self.time_zone)

    @property
    def sort_key(self) -> tuple[datetime, UUID]:
        """What the list is sorted by; it becomes the cursor of the next page."""
        return self.starts_at, self.appointment_id

    def with_names(self, snapshot: AppointmentSnapshot) -> Self:
        """Return the visit with the names that the appointment shows; the doctor's only if it is still the doctor of the visit."""
        is_same_doctor = snapshot.doctor is not None and snapshot.doctor.id == self.doctor_id
        return replace(self, service=snapshot.service, doctor=snapshot.doctor if is_same_doctor else None)
