"""What the use cases of doctor-service need from outside."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from doctor_svc.domain.doctors import Doctor, Profile
from doctor_svc.domain.services import ServiceType
from shared.contracts.events import Event
from shared.contracts.http import CreateAccount

Cursor = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class DoctorFilter:
    """Each bound that is given must hold; several values of one are alternatives."""

    specialties: tuple[str, ...] = ()
    services: tuple[UUID, ...] = ()
    languages: tuple[str, ...] = ()
    location: str | None = None
    text: str | None = None


class Transaction(Protocol):
    """Commits on leaving, rolls back on any exception. `get_` locks the row and refuses when there is none that counts."""

    async def get_service(self, service_id: UUID) -> ServiceType: ...

    async def find_service(self, service_id: UUID) -> ServiceType | None: ...

    async def add_service(self, service: ServiceType) -> None: ...

    async def save_service(self, service: ServiceType) -> None: ...

    async def known_services(self, ids: Collection[UUID]) -> set[UUID]: ...

    async def get_doctor(self, doctor_id: UUID) -> Doctor: ...

    async def find_doctor(self, doctor_id: UUID) -> Doctor | None:
        """Also a pending one."""

    async def add_doctor(self, doctor: Doctor, at: datetime) -> None: ...

    async def save_doctor(self, doctor: Doctor) -> None: ...

    async def drop_doctor(self, doctor_id: UUID) -> None:
        """A pending one."""

    async def mark_handled(self, event_id: UUID) -> bool: ...

    async def add_event(self, event: Event) -> None: ...


class Store(Protocol):
    def begin(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def service(self, service_id: UUID) -> ServiceType: ...

    async def services(self, *, active: bool | None, limit: int, after: Cursor) -> list[ServiceType]:
        """Up to `limit` in the order of name and id."""

    async def specialties(self) -> list[str]: ...

    async def doctor(self, doctor_id: UUID) -> Doctor: ...

    async def doctors(self, wanted: DoctorFilter, *, limit: int, after: Cursor) -> list[Profile]:
        """Active ones, up to `limit` in the order of name and id."""

    async def all_doctors(self, *, limit: int, after: Cursor) -> list[Doctor]:
        """Whole ones, active or not, in the order of their ids."""

    async def pending_doctors(self, before: datetime, limit: int) -> list[Doctor]: ...


class Accounts(Protocol):
    """The owner of the account half."""

    async def open(self, account_id: UUID, account: CreateAccount) -> None:
        """Harmless to repeat; refuses as auth-service does (`email_taken`)."""
