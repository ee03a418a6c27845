"""patient-service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import CreatePatient, PatientSummary
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpPatientProfileClient:
    """Implements PatientProfileClient."""

    service: ServiceClient

    async def create_profile(self, patient_id: UUID, profile: CreatePatient) -> None:
        await self.service.call("PUT", f"/internal/patients/{patient_id}", body=profile)

    async def find_profile(self, patient_id: UUID) -> PatientSummary | None:
        return await self.service.get_or_none(f"/internal/patients/{patient_id}", PatientSummary)
