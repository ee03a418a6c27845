"""What an export of a patient's data consists of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from patient_svc.domain.access import LoggedAccess
from patient_svc.domain.guardians import Dependant, Guardian
from patient_svc.domain.patients import Patient
from patient_svc.domain.records import MedicalEntry
from patient_svc.domain.visits import HistoryVisit

Exported = dict[str, Any]
"""What another service tells, as JSON. It is passed on as it is: each service decides what its part of an export has."""


@dataclass(frozen=True, slots=True)
class EntryWithVersions:
    """An entry of the medical history, and all its versions, the newest first."""

    current: MedicalEntry
    versions: Sequence[MedicalEntry]


@dataclass(frozen=True, slots=True)
class PatientExport:
    """What is known when the export begins, and the lists, which are read while it is written.

    `missing` are the lists of which the rest could not be read: they are known only after all lists were read.
    """

    generated_at: datetime
    patient: Patient
    dependants: Sequence[Dependant]
    guardians: Sequence[Guardian]
    account: Exported | None
    medical_history: AsyncIterator[EntryWithVersions]
    visits: AsyncIterator[HistoryVisit]
    appointments: AsyncIterator[Exported]
    messages: AsyncIterator[Exported]
    accesses: AsyncIterator[LoggedAccess]
    missing: list[str] = field(default_factory=list)
