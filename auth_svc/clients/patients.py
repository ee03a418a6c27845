"""patient-service, the owner of patients' profiles."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import CreatePatient, PatientSummary
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpPatients:
    service: ServiceClient

    async def open(self, patient_id: UUID, profile: CreatePatient) -> None:
        await self.service.call("PUT", f"/internal/patients/{patient_id}", body=profile)

    async def full_name(self, patient_id: UUID) -> str | None:
        card = await self.service.get_or_none(f"/internal/patients/{patient_id}", PatientSummary)
        return card.full_name if card else None
