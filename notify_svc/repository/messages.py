"""Messages, and the newest versions of appointments, in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, insert, select, update

from notify_svc.domain.messages import Attempt, Message, MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.ports import UnreadableMessage
from notify_svc.ports.message_log import LockedMessage, LoggedMessage, MessageFilter
from notify_svc.repository import message_log
from notify_svc.repository.reminders import PlanningWriter, ReminderReader, ReminderWriter, VisitWriter, visit_from_row
from notify_svc.repository.tables import INFRASTRUCTURE, MESSAGES, VISITS
from notify_svc.repository.webhook_deliveries import WebhookDeliveryWrites
from notify_svc.repository.webhooks import WebhookWrites
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, insert_if_absent
from shared.kit.unreadable import log_unreadable, read_rows

MAX_MESSAGES_BEING_SENT = 500


def message_from_row(row: Any) -> Message:
    """Return the message of a row of MESSAGES."""
    fields = {column.key: row._mapping[column] for column in MESSAGES.c if column is not MESSAGES.c.seq}
    fields["attempt_log"] = tuple(Attempt(*entry) for entry in row.attempt_log)
    enums = {"kind": MessageKind(row.kind), "audience": Audience(row.audience), "status": MessageStatus(row.status)}
    return Message(**fields | enums)


class SqlNotificationTransaction(WebhookWrites, WebhookDeliveryWrites, VisitWriter, PlanningWriter, ReminderWriter, SqlTransaction):
    """Implements NotificationTransaction: one transaction that writes rows of every kind."""

    async def has_newer_version(self, appointment_id: UUID, version: int) -> bool:
        newer = select(VISITS.c.version).where(VISITS.c.appointment_id == appointment_id, VISITS.c.version > version)
        return (await self.connection.execute(newer)).first() is not None

    async def insert_message(self, message: Message) -> bool:
        return await insert_if_absent(self.connection, insert(MESSAGES).values(asdict(message)))

    async def lock_related_messages(self, message: Message) -> list[Message]:
        """Lock the row of VISITS: senders of messages about one appointment wait for each other there."""
        lock = select(VISITS.c.version).where(VISITS.c.appointment_id == message.subject_id).with_for_update()
        await self.connection.execute(lock)
        is_related = (MESSAGES.c.subject_id == message.subject_id) & (MESSAGES.c.recipient_id == message.recipient_id)
        rows = await self.connection.execute(select(MESSAGES).where(is_related, MESSAGES.c.id != message.id))
        return read_rows("message", rows, message_from_row, lambda row: row.id)

    async def lock_message(self, message_id: UUID) -> LockedMessage | None:
        """Lock in the order of the senders: first the appointment, then the message."""
        query = select(MESSAGES).where(MESSAGES.c.id == message_id)
        row = (await self.connection.execute(query)).one_or_none()
        if row is None or isinstance(message := _read_message(row), UnreadableMessage):
            return None if row is None else LockedMessage(None, [], None)
        related = await self.lock_related_messages(message)
        visits = await self.connection.execute(select(VISITS).where(VISITS.c.appointment_id == message.subject_id))
        visit = next(map(visit_from_row, visits), None)
        row = (await self.connection.execute(query.with_for_update())).one_or_none()
        return LockedMessage(message_from_row(row), related, visit) if row is not None else None

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
class SqlNotificationStore(ReminderReader):
    """Implements NotificationStore and ReminderStore."""

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

    async def list_messages(self, wanted: MessageFilter, limit: int, after: tuple[str, ...] | None) -> list[LoggedMessage]:
        async with self.database.read() as connection:
            return await message_log.list_messages(connection, wanted, limit, after)

    async def find_message(self, message_id: UUID) -> LoggedMessage | None:
        async with self.database.read() as connection:
            return await message_log.find_message(connection, message_id)

    async def delete_finished_messages(self, created_before: datetime, limit: int) -> int:
        async with self.database.write() as connection:
            return await message_log.delete_finished(connection, created_before, limit)

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
