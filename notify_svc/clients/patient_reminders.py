"""The preferences of patients at patient-service, over HTTP."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.refusals import NotFound
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpPatientReminders:
    """Implements PatientReminders."""

    patients: ServiceClient

    async def end_reminders(self, patient_id: UUID) -> None:
        with suppress(NotFound):
            await self.patients.call("POST", f"/internal/patients/{patient_id}/end-reminders", is_repeatable=True)
