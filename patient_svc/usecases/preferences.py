"""Reading and changing what patients decide about their reminders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from patient_svc.domain.access import AccessAction
from patient_svc.domain.patients import Patient
from patient_svc.domain.preferences import Preferences
from patient_svc.ports import PatientStore
from patient_svc.usecases.access_control import AccessControl
from patient_svc.usecases.patients import save_patient
from shared.contracts.clinic import CurrentClinic
from shared.contracts.identity import Caller
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class PatientPreferences:
    """The use cases of preferences. Locale and consent are the profile's, so each method returns the patient, with the locale in effect."""

    store: PatientStore
    now: Clock
    clinic: CurrentClinic
    access: AccessControl

    @retry_on_abort
    async def get(self, patient_id: UUID) -> Patient:
        """Return a patient with their preferences. Raises NoSuchPatient."""
        return (await self.store.get_patient(patient_id)).in_clinic(self.clinic())

    async def replace(
        self, patient_id: UUID, preferences: Preferences, profile_changes: Mapping[str, Any], expected_version: int | None
    ) -> Patient:
        """Replace the preferences, and the profile's locale and consent if `profile_changes` has them. Raises NoSuchPatient or Stale."""
        return await self._update(
            patient_id, lambda patient: patient.with_preferences(preferences, profile_changes, expected_version, self.now())
        )

    @retry_on_abort
    async def get_of_dependant(self, dependant_id: UUID, *, by: Caller) -> Patient:
        """Return a dependant of the guardian who calls, and record that they read it. Raises NoSuchPatient."""
        async with self.access.begin(by, dependant_id, AccessAction.DEPENDANT_READ) as permitted:
            patient = await permitted.tx.get_patient(dependant_id)
        return patient.in_clinic(self.clinic())

    @retry_on_abort
    async def replace_of_dependant(
        self, dependant_id: UUID, preferences: Preferences, profile_changes: Mapping[str, Any], expected_version: int | None, *, by: Caller
    ) -> Patient:
        """Replace the preferences of a dependant for the guardian who calls, as `replace` does, and record it.

        What changes nothing is recorded as a read. Raises NoSuchPatient or Stale.
        """
        async with self.access.begin(by, dependant_id, AccessAction.DEPENDANT_CHANGED) as permitted:
            patient = await permitted.tx.get_patient(dependant_id)
            updated = patient.with_preferences(preferences, profile_changes, expected_version, self.now())
            if updated == patient:
                permitted.recorded_as = AccessAction.DEPENDANT_READ
            await save_patient(permitted.tx, patient, updated, self.now)
        return updated.in_clinic(self.clinic())

    async def end_reminders(self, patient_id: UUID) -> None:
        """Choose no reminders for a patient, as the link in a mail does, and leave everything else. Raises NoSuchPatient."""
        await self._update(patient_id, lambda patient: patient.without_reminders(self.now()))

    @retry_on_abort
    async def _update(self, patient_id: UUID, change: Callable[[Patient], Patient]) -> Patient:
        async with self.store.begin() as tx:
            patient = await tx.get_patient(patient_id)
            updated = change(patient)
            await save_patient(tx, patient, updated, self.now)
        return updated.in_clinic(self.clinic())
