"""What the use cases of doctor-service need from outside."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from doctor_svc.domain.services import ServiceType
from shared.contracts.events import Event


class Transaction(Protocol):
    """Commits on leaving, rolls back on any exception. `get_` locks the row and refuses when there is none."""

    async def get_service(self, service_id: UUID) -> ServiceType: ...

    async def find_service(self, service_id: UUID) -> ServiceType | None: ...

    async def add_service(self, service: ServiceType) -> None: ...

    async def save_service(self, service: ServiceType) -> None: ...

    async def announce(self, event: Event) -> None: ...


class Store(Protocol):
    def begin(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def service(self, service_id: UUID) -> ServiceType: ...

    async def services(self, *, active: bool | None, limit: int, after: tuple[str, ...] | None) -> list[ServiceType]:
        """Up to `limit` in the order of name and id."""

    async def specialties(self) -> list[str]: ...
