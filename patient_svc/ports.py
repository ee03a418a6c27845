"""What the use cases of patient-service need from outside."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from patient_svc.domain import Patient, PatientVisit
from shared.contracts.events import Event


class PatientTransaction(Protocol):
    """A transaction: it commits on leaving and rolls back on any exception. Patients that it reads are locked until then."""

    async def get_patient(self, patient_id: UUID) -> Patient:
        """Return a patient. Raises NoSuchPatient."""

    async def find_patient(self, patient_id: UUID) -> Patient | None:
        """Return a patient, or None."""

    async def insert_patient(self, patient: Patient) -> None:
        """Insert a patient. Raises TransactionAborted if another transaction inserted the same id first."""

    async def update_patient(self, patient: Patient) -> None:
        """Store the new state of a patient."""

    async def save_visit(self, visit: PatientVisit) -> None:
        """Store a visit unless a newer version of it is stored already."""

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction handles an event; return False if one did before."""

    async def add_event(self, event: Event) -> None:
        """Publish an event once the transaction has committed."""


class PatientStore(Protocol):
    """The database of patient-service."""

    def begin(self) -> AbstractAsyncContextManager[PatientTransaction]:
        """Open a transaction."""

    async def get_patient(self, patient_id: UUID) -> Patient:
        """Return a patient. Raises NoSuchPatient."""

    async def is_treating(self, doctor_id: UUID, patient_id: UUID) -> bool:
        """Return whether the doctor has, or had, an appointment with the patient that was not cancelled, declined or expired."""
