"""Reading and changing what patients decide about their reminders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from patient_svc.domain.patients import ClinicDefaults, Patient
from patient_svc.domain.preferences import Preferences
from patient_svc.ports import PatientStore
from patient_svc.usecases.patients import save_patient
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class PatientPreferences:
    """The use cases of preferences. Locale and consent are the profile's, so each method returns the patient, with the locale in effect."""

    store: PatientStore
    now: Clock
    clinic: ClinicDefaults

    @retry_on_abort
    async def get(self, patient_id: UUID) -> Patient:
        """Return a patient with their preferences. Raises NoSuchPatient."""
        return (await self.store.get_patient(patient_id)).in_clinic(self.clinic)

    async def replace(
        self, patient_id: UUID, preferences: Preferences, profile_changes: Mapping[str, Any], expected_version: int | None
    ) -> Patient:
        """Replace the preferences, and the profile's locale and consent if `profile_changes` has them. Raises NoSuchPatient or Stale."""
        return await self._update(
            patient_id, lambda patient: patient.with_preferences(preferences, profile_changes, expected_version, self.now())
        )

    async def end_reminders(self, patient_id: UUID) -> None:
        """Choose no reminders for a patient, as the link in a mail does, and leave everything else. Raises NoSuchPatient."""
        await self._update(patient_id, lambda patient: patient.without_reminders(self.now()))

    @retry_on_abort
    async def _update(self, patient_id: UUID, change: Callable[[Patient], Patient]) -> Patient:
        async with self.store.begin() as tx:
            patient = await tx.get_patient(patient_id)
            updated = change(patient)
            await save_patient(tx, patient, updated, self.now)
        return updated.in_clinic(self.clinic)
