"""Creating, changing and reading service types."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from doctor_svc.domain.service_types import ServiceType
from doctor_svc.ports import DoctorStore, SortKey
from doctor_svc.usecases.calendar import CalendarFollower
from shared.contracts.contacts import ServiceReminders
from shared.contracts.identity import Caller, Role, Service
from shared.contracts.names import NamedService
from shared.kit.audit import audit_event, changed_fields
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class ServiceTypes:
    """The use cases of service types."""

    store: DoctorStore
    calendar: CalendarFollower
    now: Clock

    async def create(self, service_type: ServiceType, *, by: Caller) -> ServiceType:
        """Create a service type, or return the one that has this id already."""
        created = await self._insert_or_find(service_type, by)
        await self.calendar.follow_service_type(created)
        return created

    async def update(self, service_id: UUID, changes: Mapping[str, Any], expected_version: int | None, *, by: Caller) -> ServiceType:
        """Change some fields of a service type. Raises NoSuchService or Stale."""
        updated = await self._update(service_id, changes, expected_version, by)
        await self.calendar.follow_service_type(updated)
        return updated

    @retry_on_abort
    async def get(self, service_id: UUID) -> ServiceType:
        """Return a service type, active or not. Raises NoSuchService."""
        return await self.store.get_service_type(service_id)

    @retry_on_abort
    async def list_visible(self, caller: Caller | None, limit: int, after: SortKey) -> list[ServiceType]:
        """Return up to `limit` + 1 service types by name: active ones for everyone, all for admins and services."""
        sees_all = caller is not None and caller.role in (Role.ADMIN, Role.SERVICE)
        return await self.store.list_service_types(active=None if sees_all else True, limit=limit + 1, after=after)

    @retry_on_abort
    async def list_reminders(self, ids: Collection[UUID]) -> list[ServiceReminders]:
        """Return when patients are reminded of visits of these service types, active or not; unknown ids are left out."""
        return await self.store.list_service_reminders(ids) if ids else []

    @retry_on_abort
    async def list_names(self, ids: Collection[UUID]) -> list[NamedService]:
        """Return names and specialties of these service types, active or not; unknown ids are left out."""
        return await self.store.list_service_names(ids) if ids else []

    @retry_on_abort
    async def list_specialties(self) -> list[str]:
        """Return the specialties of active service types and doctors, in alphabetical order."""
        return await self.store.list_specialties()

    @retry_on_abort
    async def _insert_or_find(self, service_type: ServiceType, by: Caller) -> ServiceType:
        async with self.store.begin() as tx:
            if existing := await tx.find_service_type(service_type.id):
                return existing
            await tx.insert_service_type(service_type)
            await tx.add_event(service_type.changed_event(new_id(), self.now()))
            await tx.add_event(audit_event(Service.DOCTOR, by, "service.create", service_type.id, at=self.now()))
        return service_type

    @retry_on_abort
    async def _update(self, service_id: UUID, changes: Mapping[str, Any], expected_version: int | None, by: Caller) -> ServiceType:
        async with self.store.begin() as tx:
            service_type = await tx.get_service_type(service_id)
            updated = service_type.update(changes, expected_version)
            if updated != service_type:
                await tx.update_service_type(updated)
                await tx.add_event(updated.changed_event(new_id(), self.now()))
                after = changed_fields(changes, updated.version)
                await tx.add_event(audit_event(Service.DOCTOR, by, "service.change", service_id, at=self.now(), after=after))
        return updated
