"""patient-service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import CreatePatient, PatientSummary
from shared.contracts.refusals import NotFound
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpPatientProfileClient:
    """Implements PatientProfileClient."""

    service: ServiceClient

    async def create_profile(self, patient_id: UUID, profile: CreatePatient) -> None:
        try:
            await self.service.call("PUT", f"/internal/patients/{patient_id}", body=profile)
        except NotFound as refusal:
            if refusal.code == NoSuchPatient.code:
                raise NoSuchPatient from refusal
            raise

    async def find_profile(self, patient_id: UUID) -> PatientSummary | None:
        return await self.service.get_or_none(f"/internal/patients/{patient_id}", PatientSummary)
