"""What an appointment stores of the people as they were when it was booked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from shared.contracts.http import DoctorRules, PatientSummary


@dataclass(frozen=True, slots=True)
class DoctorSnapshot:
    """The doctor as booked; `version` is that of the doctor's rules which were read."""

    id: UUID
    full_name: str
    title: str | None
    location: str | None
    time_zone: str
    version: int = 0

    @classmethod
    def of(cls, doctor: DoctorRules) -> Self:
        """Return the snapshot of a doctor."""
        return cls(doctor.id, doctor.full_name, doctor.title, doctor.location, doctor.time_zone, doctor.version)


@dataclass(frozen=True, slots=True)
class PatientSnapshot:
    """The patient as booked."""

    id: UUID
    full_name: str

    @classmethod
    def of(cls, patient: PatientSummary) -> Self:
        """Return the snapshot of a patient."""
        return cls(patient.id, patient.full_name)
