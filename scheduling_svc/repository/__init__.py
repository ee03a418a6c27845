"""The store of scheduling-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import Claim, Engagement
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.repository import claims, rules
from scheduling_svc.repository.tables import PLUMBING
from shared.contracts.grains import Span
from shared.contracts.http import DoctorRules, ServiceRules
from shared.contracts.identity import Service as Name
from shared.kit.clock import Clock
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database


@dataclass(frozen=True, slots=True)
class SqlLook:
    """What can be read, in a transaction or without one."""

    connection: AsyncConnection

    async def claim(self, appointment_id: UUID) -> Claim | None:
        return await claims.one(self.connection, appointment_id)

    async def engagements(self, people: Collection[UUID], within: Span, *, but: UUID | None = None) -> Mapping[UUID, Sequence[Engagement]]:
        return await claims.engagements(self.connection, people, within, but)

    async def service(self, service_id: UUID) -> Service | None:
        return await rules.service(self.connection, service_id)

    async def doctors(self, ids: Collection[UUID]) -> list[Doctor]:
        return await rules.doctors(self.connection, ids)

    async def doctors_of(self, service_id: UUID) -> list[Doctor]:
        return await rules.doctors_of(self.connection, service_id)


class Transaction(SqlTransaction):
    """One transaction of scheduling-service."""

    async def put(self, claim: Claim, standing: Claim | None) -> None:
        await claims.put(self.connection, claim, standing, self.now())

    async def learn_doctor(self, doctor: DoctorRules) -> None:
        await rules.learn_doctor(self.connection, doctor)

    async def learn_service(self, service: ServiceRules) -> None:
        await rules.learn_service(self.connection, service)

    async def note_all_learned(self) -> None:
        await rules.note_all_learned(self.connection, self.now())


@dataclass(frozen=True, slots=True)
class SqlStore:
    database: Database
    now: Clock

    @asynccontextmanager
    async def look(self) -> AsyncIterator[SqlLook]:
        async with self.database.read() as connection:
            yield SqlLook(connection)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self.database.write() as connection:
            yield Transaction(connection, PLUMBING, Name.SCHEDULING, self.now)

    async def reservations(self, limit: int, after: tuple[str, ...] | None) -> list[Claim]:
        async with self.database.read() as connection:
            return await claims.live(connection, limit, after)

    async def all_learned(self) -> bool:
        async with self.database.read() as connection:
            return await rules.all_learned(connection)
