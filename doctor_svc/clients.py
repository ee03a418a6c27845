"""auth-service and scheduling-service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import AccountSummary, CreateAccount, RulesVersion, VisitsOutsideHours
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpDoctorAccountClient:
    """Implements DoctorAccountClient."""

    service: ServiceClient

    async def create(self, account_id: UUID, account: CreateAccount) -> AccountSummary:
        return AccountSummary.model_validate(await self.service.call("PUT", f"/internal/accounts/{account_id}", body=account))


@dataclass(frozen=True, slots=True)
class HttpCalendarClient:
    """Implements CalendarClient."""

    service: ServiceClient

    async def follow_doctor(self, doctor_id: UUID, version: int) -> None:
        await self.service.call("PUT", f"/internal/doctors/{doctor_id}/rules", body=RulesVersion(version=version))

    async def follow_service(self, service_id: UUID, version: int) -> None:
        await self.service.call("PUT", f"/internal/services/{service_id}/rules", body=RulesVersion(version=version))

    async def list_visits_outside_hours(self, doctor_id: UUID, version: int) -> VisitsOutsideHours:
        return await self.service.get(f"/internal/doctors/{doctor_id}/visits-outside-hours", VisitsOutsideHours, version=version)
