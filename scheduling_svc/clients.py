"""The HTTP clients of scheduling-service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from shared.contracts.http import DoctorRules, PatientSummary, ServiceTypeRules
from shared.contracts.refusals import NotFound
from shared.contracts.relayed_refusals import NoSuchPatient, PatientWasMerged
from shared.kit.client import ServiceClient
from shared.kit.paging import Page

PAGE_SIZE = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpPatientDirectory:
    """Reads patients from patient-service."""

    patient_service: ServiceClient

    async def get_summary(self, patient_id: UUID) -> PatientSummary:
        """Return a patient with the guardians. Raises NoSuchPatient, or PatientWasMerged for a patient merged into another one."""
        try:
            return await self.patient_service.get(f"/internal/patients/{patient_id}", PatientSummary)
        except NotFound as refusal:
            merged_into = refusal.facts.get("merged_into")
            raise (NoSuchPatient() if merged_into is None else PatientWasMerged(merged_into=merged_into)) from None


@dataclass(frozen=True, slots=True)
class HttpRuleOwner:
    """Fetches rules from doctor-service, their owner."""

    doctor_service: ServiceClient

    async def find_doctor(self, doctor_id: UUID) -> DoctorRules | None:
        """Return the rules of a doctor, None if there is no such doctor."""
        return await self.doctor_service.get_or_none(f"/internal/doctors/{doctor_id}", DoctorRules)

    async def find_service(self, service_id: UUID) -> ServiceTypeRules | None:
        """Return the rules of a service, None if there is no such service."""
        return await self.doctor_service.get_or_none(f"/internal/services/{service_id}", ServiceTypeRules)

    def iterate_doctors(self) -> AsyncIterator[Sequence[DoctorRules]]:
        """Yield the rules of all doctors, page by page."""
        return self._iterate_pages("/internal/doctors", Page[DoctorRules])

    def iterate_services(self) -> AsyncIterator[Sequence[ServiceTypeRules]]:
        """Yield the rules of all services, page by page."""
        return self._iterate_pages("/internal/services", Page[ServiceTypeRules])

    async def _iterate_pages(self, path: str, page_type: type[Page[T]]) -> AsyncIterator[Sequence[T]]:
        cursor: str | None = None
        while True:
            page = await self.doctor_service.get(path, page_type, limit=PAGE_SIZE, after=cursor)
            yield page.items
            if (cursor := page.next) is None:
                return
