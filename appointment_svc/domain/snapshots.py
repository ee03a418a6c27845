"""What an appointment remembers of the people as they were when it was booked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from shared.contracts.http import DoctorRules, PatientSummary, ServiceTypeRules


@dataclass(frozen=True, slots=True)
class DoctorSnapshot:
    """The doctor as booked; `version` is that of the card."""

    id: UUID
    full_name: str
    title: str | None
    location: str | None
    time_zone: str
    version: int = 0

    @classmethod
    def of(cls, doctor: DoctorRules) -> Self:
        return cls(doctor.id, doctor.full_name, doctor.title, doctor.location, doctor.time_zone, doctor.version)


@dataclass(frozen=True, slots=True)
class PatientSnapshot:
    id: UUID
    full_name: str

    @classmethod
    def of(cls, patient: PatientSummary) -> Self:
        return cls(patient.id, patient.full_name)


@dataclass(frozen=True, slots=True)
class Cards:
    """What the neighbours say of those concerned; no doctor where nobody was named."""

    service: ServiceTypeRules
    doctor: DoctorRules | None
    patient: PatientSummary
