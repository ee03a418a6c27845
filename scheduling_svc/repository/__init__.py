"""The store of scheduling-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.agenda import Entry
from scheduling_svc.domain.claims import Claim
from scheduling_svc.domain.diary import Diary, View
from scheduling_svc.domain.feeds import Feed
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.leaves import Block, Closure, Leave
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.repository import agenda, blocks, claims, diaries, holds, rules, turns
from scheduling_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.events import Event
from shared.contracts.grains import Span
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.contracts.identity import Service as Name
from shared.kit.clock import Clock
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database


@dataclass
class SqlLook:
    """What can be read, in a transaction or without one."""

    connection: AsyncConnection

    async def claim(self, appointment_id: UUID) -> Claim | None:
        return await claims.one(self.connection, appointment_id)

    async def hold(self, hold_id: UUID) -> Hold | None:
        return await holds.one(self.connection, hold_id)

    async def diaries(self, service: Service, doctor_ids: Collection[UUID], within: Span, view: View) -> Mapping[UUID, Diary]:
        return await diaries.diaries(self.connection, service, doctor_ids, within, view)

    async def affected(self, doctor_ids: Collection[UUID], span: Span, now: datetime, limit: int) -> list[Claim]:
        return await claims.affected(self.connection, doctor_ids, span, now, limit)

    async def leave(self, leave_id: UUID) -> Leave | None:
        return await blocks.leave(self.connection, leave_id)

    async def closure(self, closure_id: UUID) -> Closure | None:
        return await blocks.closure(self.connection, closure_id)

    async def service(self, service_id: UUID) -> Service | None:
        return await rules.service(self.connection, service_id)

    async def doctors(self, ids: Collection[UUID]) -> list[Doctor]:
        return await rules.doctors(self.connection, ids)

    async def doctors_of(self, service_id: UUID) -> list[Doctor]:
        return await rules.doctors_of(self.connection, service_id)


class Transaction(SqlTransaction, SqlLook):
    """One transaction of scheduling-service; `told` when an event leaves with it."""

    told = False

    async def add_event(self, event: Event) -> None:
        self.told = True
        await super().add_event(event)

    async def alone(self, *keys: UUID) -> None:
        await turns.alone(self.connection, keys)

    async def put(self, claim: Claim, standing: Claim | None, *, seats: int = 1) -> None:
        await claims.put(self.connection, claim, standing, seats, self.now())

    async def keep(self, hold: Hold, *, seats: int = 1) -> None:
        await holds.keep(self.connection, hold, seats, self.now())

    async def extend(self, hold: Hold) -> None:
        await holds.extend(self.connection, hold, self.now())

    async def drop(self, hold: Hold) -> None:
        await holds.drop(self.connection, hold, self.now())

    async def holds_of(self, owner_id: UUID) -> list[Hold]:
        return await holds.of_owner(self.connection, owner_id)

    async def holds_in(self, doctor_id: UUID, span: Span) -> list[Hold]:
        return await holds.within(self.connection, doctor_id, span)

    async def block(self, block: Block) -> None:
        await blocks.block(self.connection, block, self.now())

    async def unblock(self, block: Block) -> None:
        await blocks.unblock(self.connection, block)

    async def add_leave(self, leave: Leave) -> None:
        await blocks.add_leave(self.connection, leave)

    async def drop_leave(self, leave: Leave) -> None:
        await blocks.drop_leave(self.connection, leave)

    async def save_closure(self, closure: Closure) -> None:
        await blocks.save_closure(self.connection, closure)

    async def closures(self) -> list[Closure]:
        return await blocks.closures(self.connection, self.now())

    async def link(self, feed: Feed) -> None:
        await agenda.link(self.connection, feed)

    async def unlink(self, account_id: UUID) -> None:
        await agenda.unlink(self.connection, account_id)

    async def learn_doctor(self, doctor: DoctorRules) -> bool:
        return await rules.learn_doctor(self.connection, doctor)

    async def learn_service(self, service: ServiceTypeRules) -> bool:
        return await rules.learn_service(self.connection, service)

    async def note_all_learned(self) -> None:
        await rules.note_all_learned(self.connection, self.now())


@dataclass(frozen=True, slots=True)
class SqlStore:
    """`announced` wakes the relay after a commit that told something."""

    database: Database
    now: Clock
    announced: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def look(self) -> AsyncIterator[SqlLook]:
        async with self.database.read() as connection:
            yield SqlLook(connection)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self.database.write() as connection:
            tx = Transaction(connection, INFRASTRUCTURE, Name.SCHEDULING, self.now)
            yield tx
        if tx.told:
            self.announced()

    async def reservations(self, limit: int, after: tuple[str, ...] | None) -> list[Claim]:
        async with self.database.read() as connection:
            return await claims.live(connection, limit, after)

    async def leaves(self, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
        async with self.database.read() as connection:
            return await blocks.leaves(connection, doctor_id, limit, after)

    async def all_closures(self, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
        async with self.database.read() as connection:
            return await blocks.all_closures(connection, limit, after)

    async def entries(self, account_id: UUID, within: Span, limit: int, after: tuple[str, ...] | None) -> list[Entry]:
        async with self.database.read() as connection:
            return await agenda.entries(connection, account_id, within, limit, after)

    async def reader(self, token_hash: str) -> UUID | None:
        async with self.database.read() as connection:
            return await agenda.reader(connection, token_hash)

    async def doctors_after(self, limit: int, after: UUID | None) -> list[Doctor]:
        async with self.database.read() as connection:
            return await rules.doctors_after(connection, limit, after)

    async def all_learned(self) -> bool:
        async with self.database.read() as connection:
            return await rules.all_learned(connection)
