"""The store of doctor-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from doctor_svc.domain.doctors import Doctor, Profile
from doctor_svc.domain.services import ServiceType
from doctor_svc.ports import Cursor, DoctorFilter
from doctor_svc.repository import doctors, services
from doctor_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database


class Transaction(SqlTransaction):
    """One transaction of doctor-service."""

    async def get_service(self, service_id: UUID) -> ServiceType:
        return await services.known(self.connection, service_id, lock=True)

    async def find_service(self, service_id: UUID) -> ServiceType | None:
        return await services.one(self.connection, service_id)

    async def add_service(self, service: ServiceType) -> None:
        await services.add(self.connection, service)

    async def save_service(self, service: ServiceType) -> None:
        await services.save(self.connection, service)

    async def known_services(self, ids: Collection[UUID]) -> set[UUID]:
        return await services.existing(self.connection, ids)

    async def get_doctor(self, doctor_id: UUID) -> Doctor:
        return await doctors.known(self.connection, doctor_id, lock=True)

    async def find_doctor(self, doctor_id: UUID) -> Doctor | None:
        return await doctors.one(self.connection, doctor_id, lock=True)

    async def add_doctor(self, doctor: Doctor, at: datetime) -> None:
        await doctors.add(self.connection, doctor, at)

    async def save_doctor(self, doctor: Doctor) -> None:
        await doctors.save(self.connection, doctor)

    async def drop_doctor(self, doctor_id: UUID) -> None:
        await doctors.drop(self.connection, doctor_id)


@dataclass(frozen=True, slots=True)
class SqlStore:
    """`announced` wakes the relay after a commit."""

    database: Database
    now: Clock
    announced: Callable[[], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self.database.write() as connection:
            yield Transaction(connection, INFRASTRUCTURE, Service.DOCTOR, self.now)
        self.announced()

    async def service(self, service_id: UUID) -> ServiceType:
        async with self.database.read() as connection:
            return await services.known(connection, service_id)

    async def services(self, *, active: bool | None, limit: int, after: tuple[str, ...] | None) -> list[ServiceType]:
        async with self.database.read() as connection:
            return await services.listed(connection, active, limit, after)

    async def specialties(self) -> list[str]:
        async with self.database.read() as connection:
            return await services.specialties(connection)

    async def doctor(self, doctor_id: UUID) -> Doctor:
        async with self.database.read() as connection:
            return await doctors.known(connection, doctor_id)

    async def doctors(self, wanted: DoctorFilter, *, limit: int, after: Cursor) -> list[Profile]:
        async with self.database.read() as connection:
            return await doctors.listed(connection, wanted, limit, after)

    async def all_doctors(self, *, limit: int, after: Cursor) -> list[Doctor]:
        async with self.database.read() as connection:
            return await doctors.by_id(connection, limit, after)

    async def pending_doctors(self, before: datetime, limit: int) -> list[Doctor]:
        async with self.database.read() as connection:
            return await doctors.pending(connection, before, limit)
