"""Service types in SQL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doctor_svc.domain.service_types import ServiceType
from doctor_svc.ports import SortKey
from doctor_svc.repository.tables import DOCTORS, SERVICES
from shared.contracts.contacts import ServiceReminders
from shared.contracts.http import Money
from shared.contracts.names import NamedService
from shared.contracts.relayed_refusals import NoSuchService
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.paging import parse_sort_key
from shared.kit.retry import TransactionAborted
from shared.kit.sql import Database, insert_if_absent

SELECT_SERVICE = select(SERVICES).where(SERVICES.c.id == bindparam("service"))
LOCK_SERVICE = SELECT_SERVICE.with_for_update()
REMINDER_COLUMNS = [SERVICES.c[name] for name in ServiceReminders.model_fields]


def service_type_to_row(service_type: ServiceType) -> dict[str, Any]:
    """Return the columns of SERVICES."""
    row, price = asdict(service_type), service_type.price
    del row["price"]
    return row | {"price_amount": price and price.amount, "price_currency": price and price.currency}


def service_type_from_row(row: Any) -> ServiceType:
    """Return the service type of a row of SERVICES."""
    fields = dict(row._mapping)
    amount, currency = fields.pop("price_amount"), fields.pop("price_currency")
    if fields["reminder_offsets_minutes"] is not None:
        fields["reminder_offsets_minutes"] = tuple(fields["reminder_offsets_minutes"])
    return ServiceType(**fields, price=Money(amount=amount, currency=currency) if currency else None)


class ServiceTypeWrites(SqlTransaction):
    """The part of SqlDoctorTransaction that reads and writes service types."""

    async def get_service_type(self, service_id: UUID) -> ServiceType:
        return _require_service_type(await _find_service_type(self.connection, service_id, lock=True))

    async def find_service_type(self, service_id: UUID) -> ServiceType | None:
        return await _find_service_type(self.connection, service_id)

    async def insert_service_type(self, service_type: ServiceType) -> None:
        if not await insert_if_absent(self.connection, insert(SERVICES).values(service_type_to_row(service_type))):
            raise TransactionAborted

    async def update_service_type(self, service_type: ServiceType) -> None:
        statement = update(SERVICES).where(SERVICES.c.id == service_type.id).values(service_type_to_row(service_type))
        await self.connection.execute(statement)

    async def list_existing_services(self, ids: Collection[UUID]) -> set[UUID]:
        return set(await self.connection.scalars(select(SERVICES.c.id).where(SERVICES.c.id.in_(ids))))


class ServiceTypeReads:
    """The part of SqlDoctorStore that reads service types."""

    __slots__ = ()
    database: Database

    async def get_service_type(self, service_id: UUID) -> ServiceType:
        async with self.database.read() as connection:
            return _require_service_type(await _find_service_type(connection, service_id))

    async def list_service_types(self, *, active: bool | None, limit: int, after: SortKey) -> list[ServiceType]:
        query = select(SERVICES).order_by(SERVICES.c.name, SERVICES.c.id).limit(limit)
        if active is not None:
            query = query.where(SERVICES.c.active == active)
        if after is not None:
            query = query.where(rows_after((SERVICES.c.name, SERVICES.c.id), parse_sort_key(after, str, UUID)))
        async with self.database.read() as connection:
            return [service_type_from_row(row) for row in await connection.execute(query)]

    async def list_service_reminders(self, ids: Collection[UUID]) -> list[ServiceReminders]:
        query = select(*REMINDER_COLUMNS).where(SERVICES.c.id.in_(ids))
        async with self.database.read() as connection:
            return [ServiceReminders.model_validate(row) for row in await connection.execute(query)]

    async def list_service_names(self, ids: Collection[UUID]) -> list[NamedService]:
        query = select(SERVICES.c.id, SERVICES.c.name, SERVICES.c.specialty).where(SERVICES.c.id.in_(ids))
        async with self.database.read() as connection:
            return [NamedService.model_validate(row) for row in await connection.execute(query)]

    async def list_specialties(self) -> list[str]:
        service_query = select(SERVICES.c.specialty).where(SERVICES.c.active, SERVICES.c.specialty.is_not(None)).distinct()
        doctor_query = select(DOCTORS.c.specialties).where(DOCTORS.c.active, ~DOCTORS.c.pending)
        async with self.database.read() as connection:
            specialties = set(await connection.scalars(service_query))
            for specialties_of_doctor in await connection.scalars(doctor_query):
                specialties.update(specialties_of_doctor)
        return sorted(specialties, key=str.casefold)


async def _find_service_type(connection: AsyncConnection, service_id: UUID, *, lock: bool = False) -> ServiceType | None:
    row = (await connection.execute(LOCK_SERVICE if lock else SELECT_SERVICE, {"service": service_id})).one_or_none()
    return service_type_from_row(row) if row else None


def _require_service_type(service_type: ServiceType | None) -> ServiceType:
    if service_type is None:
        raise NoSuchService
    return service_type
