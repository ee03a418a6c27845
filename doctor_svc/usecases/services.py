"""Offering service types and finding them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from doctor_svc.domain.services import ServiceType
from doctor_svc.ports import Cursor, Store
from shared.contracts.identity import Caller, Role
from shared.kit.clock import Clock
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    now: Clock

    async def offer(self, service: ServiceType) -> ServiceType:
        """Adds a service type; one that is there already under this id is answered as it stands."""
        async with self.store.begin() as tx:
            if known := await tx.find_service(service.id):
                return known
            await tx.add_service(service)
            await tx.add_event(service.changed(new_id(), self.now()))
        return service

    async def amend(self, service_id: UUID, changes: Mapping[str, Any], expected: int | None) -> ServiceType:
        async with self.store.begin() as tx:
            service = await tx.get_service(service_id)
            amended = service.amended(changes, expected)
            if amended != service:
                await tx.save_service(amended)
                await tx.add_event(amended.changed(new_id(), self.now()))
        return amended

    async def find(self, service_id: UUID) -> ServiceType:
        return await self.store.service(service_id)

    async def browse(self, by: Caller | None, limit: int, after: Cursor) -> list[ServiceType]:
        """By name: active ones for everyone, all for admins and services. One more than `limit`, if there is."""
        inside = by is not None and by.role in (Role.ADMIN, Role.SERVICE)
        return await self.store.services(active=None if inside else True, limit=limit + 1, after=after)

    async def specialties(self) -> list[str]:
        return await self.store.specialties()
