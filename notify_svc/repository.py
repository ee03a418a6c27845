"""The database of notification-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Boolean, Column, ColumnElement, Index, Integer, MetaData, Table, and_, insert, select, update

from notify_svc.domain.messages import Message, MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.ports import UnreadableMessage
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.infrastructure_tables import RowNumber, infrastructure_tables
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, Id, UtcDateTime, binary_string, insert_if_absent
from shared.kit.unreadable import log_unreadable, read_rows

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)

VERSIONS = Table(
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
    Column("reader", binary_string(16), key="audience", nullable=False),
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
MAX_MESSAGES_BEING_SENT = 500


def message_from_row(row: Any) -> Message:
    """Return the message of a row of MESSAGES."""
    fields = {column.key: row._mapping[column] for column in MESSAGES.c if column is not MESSAGES.c.seq}
    enums = {"kind": MessageKind(row.kind), "audience": Audience(row.audience), "status": MessageStatus(row.status)}
    return Message(**fields | enums)


class SqlNotificationTransaction(SqlTransaction):
    """Implements NotificationTransaction."""

    async def record_version(self, appointment_id: UUID, version: int) -> bool:
        if await insert_if_absent(self.connection, insert(VERSIONS).values(appointment_id=appointment_id, version=version)):
            return True
        is_older = (VERSIONS.c.appointment_id == appointment_id) & (VERSIONS.c.version < version)
        return bool((await self.connection.execute(update(VERSIONS).where(is_older).values(version=version))).rowcount)

    async def has_newer_version(self, appointment_id: UUID, version: int) -> bool:
        newer = select(VERSIONS.c.version).where(VERSIONS.c.appointment_id == appointment_id, VERSIONS.c.version > version)
        return (await self.connection.execute(newer)).first() is not None

    async def insert_message(self, message: Message) -> bool:
        return await insert_if_absent(self.connection, insert(MESSAGES).values(asdict(message)))

    async def lock_related_messages(self, message: Message) -> list[Message]:
        """Lock the row of VERSIONS: senders of messages about one appointment wait for each other there."""
        lock = select(VERSIONS.c.version).where(VERSIONS.c.appointment_id == message.subject_id).with_for_update()
        await self.connection.execute(lock)
        is_related = (MESSAGES.c.subject_id == message.subject_id) & (MESSAGES.c.recipient_id == message.recipient_id)
        rows = await self.connection.execute(select(MESSAGES).where(is_related, MESSAGES.c.id != message.id))
        return read_rows("message", rows, message_from_row, lambda row: row.id)

    async def postpone_unreadable(self, message_id: UUID, due_at: datetime) -> None:
        is_queued = (MESSAGES.c.id == message_id) & (MESSAGES.c.status == MessageStatus.QUEUED)
        await self.connection.execute(update(MESSAGES).where(is_queued).values(due_at=due_at))

    async def update_message(self, before: Message, after: Message) -> bool:
        is_unchanged = and_(
            MESSAGES.c.id == before.id,
            MESSAGES.c.status == before.status,
            MESSAGES.c.attempts == before.attempts,
            MESSAGES.c.handed_over == before.handed_over,
        )
        return bool((await self.connection.execute(update(MESSAGES).where(is_unchanged).values(asdict(after)))).rowcount)


@dataclass(frozen=True, slots=True)
class SqlNotificationStore:
    """Implements NotificationStore."""

    database: Database
    now: Clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlNotificationTransaction]:
        async with self.database.write() as connection:
            yield SqlNotificationTransaction(connection, INFRASTRUCTURE, Service.NOTIFICATION, self.now)

    async def list_due_messages(self, now: datetime, limit: int) -> list[Message | UnreadableMessage]:
        rows = await self._list_rows(MESSAGES.c.status == MessageStatus.QUEUED, MESSAGES.c.due_at <= now, limit=limit)
        return [_read_message(row) for row in rows]

    async def list_messages_being_sent(self) -> list[Message]:
        rows = await self._list_rows(MESSAGES.c.status == MessageStatus.SENDING, limit=MAX_MESSAGES_BEING_SENT)
        return read_rows("message", rows, message_from_row, lambda row: row.id)

    async def _list_rows(self, *conditions: ColumnElement[bool], limit: int) -> Sequence[Any]:
        query = select(MESSAGES).where(*conditions).order_by(MESSAGES.c.seq).limit(limit)
        async with self.database.read() as connection:
            return (await connection.execute(query)).all()


def _read_message(row: Any) -> Message | UnreadableMessage:
    try:
        return message_from_row(row)
    except Exception as error:
        log_unreadable("message", row.id, error)
        return UnreadableMessage(row.id)
