"""The store of notification-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Boolean, Column, Index, Integer, MetaData, Table, and_, insert, select, update

from notify_svc.domain.messages import Kind, Message, Reader, Status
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.infrastructure_tables import RowNumber, infrastructure_tables
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, Id, UtcDateTime, binary_string, insert_if_absent

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)

KNOWN = Table(
    "appointments_known",
    METADATA,
    Column("appointment_id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
)

MESSAGES = Table(
    "messages",
    METADATA,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("event_id", Id, nullable=False),
    Column("kind", binary_string(32), nullable=False),
    Column("reader", binary_string(16), nullable=False),
    Column("recipient_id", Id, nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("status", binary_string(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("holder", binary_string(64)),
    Column("taken_at", UtcDateTime),
    Column("handed_over", Boolean, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("problem", binary_string(500)),
    Index("messages_due", "status", "due_at", "seq"),
    Index("messages_about", "subject_id", "recipient_id", "version"),
)
MOST_IN_HAND = 500


def from_row(row: Any) -> Message:
    fields = {name: value for name, value in row._mapping.items() if name != "seq"}
    return Message(**fields | {"kind": Kind(fields["kind"]), "reader": Reader(fields["reader"]), "status": Status(fields["status"])})


class Transaction(SqlTransaction):
    """One transaction of notification-service; `has_queued`: there is something to send after it."""

    has_queued = False

    async def is_newest(self, appointment_id: UUID, version: int) -> bool:
        if await insert_if_absent(self.connection, insert(KNOWN).values(appointment_id=appointment_id, version=version)):
            return True
        older = and_(KNOWN.c.appointment_id == appointment_id, KNOWN.c.version < version)
        return bool((await self.connection.execute(update(KNOWN).where(older).values(version=version))).rowcount)

    async def queue(self, message: Message) -> None:
        self.has_queued = await insert_if_absent(self.connection, insert(MESSAGES).values(asdict(message))) or self.has_queued

    async def others(self, message: Message) -> list[Message]:
        """The appointment's row is the turnstile: those who send about one appointment pass it one by one."""
        await self.connection.execute(select(KNOWN.c.version).where(KNOWN.c.appointment_id == message.subject_id).with_for_update())
        same = and_(MESSAGES.c.subject_id == message.subject_id, MESSAGES.c.recipient_id == message.recipient_id)
        rows = await self.connection.execute(select(MESSAGES).where(same, MESSAGES.c.id != message.id))
        return [from_row(row) for row in rows]

    async def save(self, message: Message, before: Message) -> bool:
        same = and_(
            MESSAGES.c.id == before.id,
            MESSAGES.c.status == before.status,
            MESSAGES.c.attempts == before.attempts,
            MESSAGES.c.handed_over == before.handed_over,
        )
        return bool((await self.connection.execute(update(MESSAGES).where(same).values(asdict(message)))).rowcount)


@dataclass(frozen=True, slots=True)
class SqlStore:
    """`queued` wakes the sender after a commit."""

    database: Database
    now: Clock
    queued: Callable[[], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self.database.write() as connection:
            tx = Transaction(connection, INFRASTRUCTURE, Service.NOTIFICATION, self.now)
            yield tx
        if tx.has_queued:
            self.queued()

    async def due(self, now: datetime, limit: int) -> list[Message]:
        waiting = MESSAGES.c.status == Status.QUEUED, MESSAGES.c.due_at <= now
        return await self._found(*waiting, limit=limit)

    async def in_hand(self) -> list[Message]:
        return await self._found(MESSAGES.c.status == Status.SENDING, limit=MOST_IN_HAND)

    async def _found(self, *conditions: Any, limit: int) -> list[Message]:
        query = select(MESSAGES).where(*conditions).order_by(MESSAGES.c.seq).limit(limit)
        async with self.database.read() as connection:
            return [from_row(row) for row in await connection.execute(query)]
