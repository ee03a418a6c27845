"""What scheduling-service asks its neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.kit.client import ServiceClient
from shared.kit.paging import Page

PAGE = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpRules:
    """doctor-service, the owner of the rules."""

    doctor_service: ServiceClient

    async def doctor(self, doctor_id: UUID) -> DoctorRules | None:
        return await self.doctor_service.get_or_none(f"/internal/doctors/{doctor_id}", DoctorRules)

    async def service(self, service_id: UUID) -> ServiceTypeRules | None:
        return await self.doctor_service.get_or_none(f"/internal/services/{service_id}", ServiceTypeRules)

    def doctors(self) -> AsyncIterator[Sequence[DoctorRules]]:
        return self._pages("/internal/doctors", Page[DoctorRules])

    def services(self) -> AsyncIterator[Sequence[ServiceTypeRules]]:
        return self._pages("/internal/services", Page[ServiceTypeRules])

    async def _pages(self, path: str, kind: type[Page[T]]) -> AsyncIterator[Sequence[T]]:
        after: str | None = None
        while True:
            page = await self.doctor_service.get(path, kind, limit=PAGE, after=after)
            yield page.items
            if (after := page.next) is None:
                return
