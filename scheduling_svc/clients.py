"""What scheduling-service asks its neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import DoctorRules, ServiceRules
from shared.kit.client import Neighbour
from shared.kit.paging import Page

PAGE = 100


@dataclass(frozen=True, slots=True)
class HttpRules:
    """doctor-service, the owner of the rules."""

    doctor_service: Neighbour

    async def doctor(self, doctor_id: UUID) -> DoctorRules | None:
        return await self.doctor_service.find(f"/internal/doctors/{doctor_id}", DoctorRules)

    async def service(self, service_id: UUID) -> ServiceRules | None:
        return await self.doctor_service.find(f"/internal/services/{service_id}", ServiceRules)

    async def doctors(self) -> AsyncIterator[DoctorRules]:
        after: str | None = None
        while True:
            page = await self.doctor_service.get("/internal/doctors", Page[DoctorRules], limit=PAGE, after=after)
            for rules in page.items:
                yield rules
            if (after := page.next) is None:
                return

    async def services(self) -> AsyncIterator[ServiceRules]:
        after: str | None = None
        while True:
            page = await self.doctor_service.get("/internal/services", Page[ServiceRules], limit=PAGE, after=after)
            for rules in page.items:
                yield rules
            if (after := page.next) is None:
                return
