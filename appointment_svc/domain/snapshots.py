"""Snapshots of doctor and patient: what an appointment stores of them when it is booked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from shared.contracts.http import DoctorRules, PatientSummary

ERASED_NAME = "(erased)"
"""What appointments show as the name of a patient whose data were erased."""


@dataclass(frozen=True, slots=True)
class DoctorSnapshot:
    """The doctor as the appointment shows them; `version` is that of the doctor's rules which were read."""

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

    def changes_since(self, older: DoctorSnapshot) -> list[str]:
        """Return what differs, as events name it: `place` (with its time zone) and `doctor_name` (with the title).

        Another doctor is no change of these: the event names the doctor before.
        """
        if self.id != older.id:
            return []
        differences = {
            "place": (self.location, self.time_zone) != (older.location, older.time_zone),
            "doctor_name": (self.full_name, self.title) != (older.full_name, older.title),
        }
        return [name for name, differs in differences.items() if differs]


@dataclass(frozen=True, slots=True)
class PatientSnapshot:
    """The patient as booked."""

    id: UUID
    full_name: str

    @classmethod
    def of(cls, patient: PatientSummary) -> Self:
        """Return the snapshot of a patient."""
        return cls(patient.id, patient.full_name)

    @classmethod
    def erased(cls, patient_id: UUID) -> Self:
        """Return the snapshot of a patient whose data were erased, of whom nothing but the id is known."""
        return cls(patient_id, ERASED_NAME)

    @property
    def is_erased(self) -> bool:
        """True if the data of the patient were erased."""
        return self.full_name == ERASED_NAME

    def erase(self) -> Self:
        """Return the snapshot of a patient whose data were erased, whose id alone stays."""
        return replace(self, full_name=ERASED_NAME)
