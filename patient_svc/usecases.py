"""The use cases of patient-service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from patient_svc.domain import Patient, PatientVisit
from patient_svc.ports import PatientStore
from shared.contracts.events import AccountChanged, AppointmentEvent
from shared.contracts.http import CreatePatient
from shared.contracts.identity import Caller, Role
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class Patients:
    """Creating, changing and reading the profiles of patients.

    A profile is returned with the time zone in effect: patients who gave none have the clinic's, also after the clinic has changed it.
    """

    store: PatientStore
    now: Clock
    clinic_time_zone: str

    @retry_on_abort
    async def create(self, patient_id: UUID, request: CreatePatient) -> Patient:
        """Create the profile of a new patient, or return the one that has this id already."""
        async with self.store.begin() as tx:
            if existing := await tx.find_patient(patient_id):
                return existing.in_clinic(self.clinic_time_zone)
            patient = Patient.from_request(patient_id, request)
            await tx.insert_patient(patient)
            await tx.add_event(patient.changed_event(new_id(), self.now()))
        return patient.in_clinic(self.clinic_time_zone)

    @retry_on_abort
    async def update(self, patient_id: UUID, changes: Mapping[str, Any], expected_version: int | None) -> Patient:
        """Change some fields of a profile. Raises NoSuchPatient, Stale or BornLater."""
        async with self.store.begin() as tx:
            patient = await tx.get_patient(patient_id)
            updated = patient.update(changes, expected_version, self.now(), clinic_time_zone=self.clinic_time_zone)
            if updated != patient:
                await tx.update_patient(updated)
                await tx.add_event(updated.changed_event(new_id(), self.now()))
        return updated.in_clinic(self.clinic_time_zone)

    @retry_on_abort
    async def get(self, patient_id: UUID) -> Patient:
        """Return the whole profile, for the patient and for services. Raises NoSuchPatient."""
        return (await self.store.get_patient(patient_id)).in_clinic(self.clinic_time_zone)

    @retry_on_abort
    async def view(self, patient_id: UUID, caller: Caller) -> Patient:
        """Return as much of a profile as the caller may see. Raises NoSuchPatient."""
        is_treating = caller.role is Role.DOCTOR and await self.store.is_treating(caller.id, patient_id)
        return (await self.get(patient_id)).view_for(caller, is_treating)

    @retry_on_abort
    async def apply_account_change(self, event: AccountChanged) -> None:
        """Deactivate or activate the profile with its account: a patient whose account is disabled or has another role cannot book."""
        async with self.store.begin() as tx:
            patient = await tx.find_patient(event.account_id)
            if not await tx.mark_handled(event.id) or patient is None:
                return
            updated = patient.apply_account(event.role, event.status, event.version)
            if updated != patient:
                await tx.update_patient(updated)
            if updated.version != patient.version:
                await tx.add_event(updated.changed_event(new_id(), self.now()))

    @retry_on_abort
    async def record_visit(self, event: AppointmentEvent) -> None:
        """Remember which doctor treats which patient."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await tx.save_visit(PatientVisit.from_event(event))
