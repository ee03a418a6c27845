"""Messages, and the newest versions of appointments, in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, exists, insert, not_, select, update

from notify_svc.domain.messages import ABANDONED_AFTER, Attempt, Message, MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.ports import UnreadableMessage
from notify_svc.ports.message_log import LockedMessage, LoggedMessage, MessageFilter
from notify_svc.repository import message_log
from notify_svc.repository.reminders import PlanningWriter, ReminderReader, ReminderWriter, VisitWriter, visit_from_row
from notify_svc.repository.tables import INFRASTRUCTURE, MESSAGES, VISITS
from notify_svc.repository.webhook_deliveries import WebhookDeliveryWriter
from notify_svc.repository.webhooks import WebhookWriter
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, insert_if_absent
from shared.kit.unreadable import log_unreadable, read_rows

MAX_MESSAGES_BEING_SENT = 500
IDENTITY = {
    "id", "event_id", "kind", "audience", "recipient_id", "subject_id", "version", "facts", "created_at", "valid_until", "resent_from"
}  # fmt: skip
STATE = tuple(field.name for field in fields(Message) if field.name not in IDENTITY)
"""The fields of a message that change."""
BEING_SENT = MESSAGES.alias()


def state_of(message: Message) -> tuple[Any, ...]:
    """Return the values of the fields that change."""
    return tuple(getattr(message, name) for name in STATE)


IS_WAITING = exists().where(
    BEING_SENT.c.status == MessageStatus.SENDING,
    BEING_SENT.c.subject_id == MESSAGES.c.subject_id,
    BEING_SENT.c.recipient_id == MESSAGES.c.recipient_id,
    BEING_SENT.c.taken_at > bindparam("taken_after"),
    BEING_SENT.c.kind.in_(list(MessageKind)),
)
"""Whether the recipient is just being sent another message about the same subject.

Messages that this release cannot read, or whose sender has died, make no other message wait.
"""
# Statements are built once, because building them costs more than running them.
INSERT_MESSAGE = insert(MESSAGES)
LIST_DUE = (
    select(MESSAGES)
    .where(MESSAGES.c.status == MessageStatus.QUEUED, MESSAGES.c.due_at <= bindparam("now"), not_(IS_WAITING))
    .order_by(MESSAGES.c.seq)
    .limit(bindparam("max_rows"))
    .offset(bindparam("skipped_rows"))
)
LOCK_ABOUT = select(MESSAGES).where(MESSAGES.c.subject_id.in_(bindparam("subject_ids", expanding=True))).with_for_update()
UPDATE_STATE = (
    update(MESSAGES)
    .where(
        MESSAGES.c.id.in_(bindparam("ids", expanding=True)),
        MESSAGES.c.status == bindparam("status_before"),
        MESSAGES.c.attempts == bindparam("attempts_before"),
        MESSAGES.c.handed_over == bindparam("handed_over_before"),
    )
    .values({name: bindparam(f"new_{name}", type_=MESSAGES.c[name].type) for name in STATE})
)


FIELD_NAMES = tuple(field.name for field in fields(Message))


def row_of(message: Message) -> dict[str, Any]:
    """Return the row of a message for MESSAGES."""
    return {name: getattr(message, name) for name in FIELD_NAMES}


def message_from_row(row: Any) -> Message:
    """Return the message of a row of MESSAGES."""
    values = {name: getattr(row, name) for name in FIELD_NAMES}
    values["attempt_log"] = tuple(Attempt(*entry) for entry in row.attempt_log)
    enums = {"kind": MessageKind(row.kind), "audience": Audience(row.audience), "status": MessageStatus(row.status)}
    return Message(**values | enums)


class SqlNotificationTransaction(SqlTransaction, VisitWriter, PlanningWriter, ReminderWriter, WebhookWriter, WebhookDeliveryWriter):
    """Implements NotificationTransaction: one transaction that writes rows of every kind."""

    async def has_newer_version(self, appointment_id: UUID, version: int) -> bool:
        newer = select(VISITS.c.version).where(VISITS.c.appointment_id == appointment_id, VISITS.c.version > version)
        return (await self.connection.execute(newer)).first() is not None

    async def insert_message(self, message: Message) -> bool:
        return await insert_if_absent(self.connection, INSERT_MESSAGE, row_of(message))

    async def insert_messages_of_event(self, messages: Sequence[Message]) -> None:
        if messages and not await insert_if_absent(self.connection, INSERT_MESSAGE, list(map(row_of, messages))):
            for message in messages:  # a replay, long after the event was handled: some of them are there already
                await self.insert_message(message)

    async def lock_messages_about(self, subject_ids: Collection[UUID]) -> list[Message]:
        rows = await self.connection.execute(LOCK_ABOUT, {"subject_ids": sorted(subject_ids)})
        return read_rows("message", rows, message_from_row, lambda row: row.id)

    async def lock_message(self, message_id: UUID) -> LockedMessage | None:
        """Lock all messages about the subject, as senders do."""
        row = (await self.connection.execute(select(MESSAGES).where(MESSAGES.c.id == message_id))).one_or_none()
        if row is None:
            return None
        message = _read_message(row)
        if isinstance(message, UnreadableMessage):
            return LockedMessage(None, [], None)
        about = [other for other in await self.lock_messages_about([row.subject_id]) if other.recipient_id == message.recipient_id]
        locked = next((other for other in about if other.id == message_id), None)
        visits = await self.connection.execute(select(VISITS).where(VISITS.c.appointment_id == row.subject_id))
        visit = next(map(visit_from_row, visits), None)
        return LockedMessage(locked, [other for other in about if other.id != message_id], visit) if locked is not None else None

    async def postpone_unreadable(self, message_id: UUID, due_at: datetime) -> None:
        is_queued = (MESSAGES.c.id == message_id) & (MESSAGES.c.status == MessageStatus.QUEUED)
        await self.connection.execute(update(MESSAGES).where(is_queued).values(due_at=due_at))

    async def update_message(self, before: Message, after: Message) -> bool:
        return await self._update([before], before, after) == 1

    async def update_messages(self, changes: Sequence[tuple[Message, Message]]) -> None:
        """Change messages whose states before and after are the same with one statement."""
        groups = dict[Any, list[tuple[Message, Message]]]()
        for before, after in changes:
            groups.setdefault((state_of(before), state_of(after)), []).append((before, after))
        for group in groups.values():
            await self._update([before for before, _ in group], *group[0])

    async def _update(self, messages: Sequence[Message], before: Message, after: Message) -> int:
        """Give messages that are all in the state of `before` the state of `after`; return how many were in that state."""
        state = {f"new_{name}": getattr(after, name) for name in STATE}
        known = {"status_before": before.status, "attempts_before": before.attempts, "handed_over_before": before.handed_over}
        ids = [message.id for message in messages]
        return (await self.connection.execute(UPDATE_STATE, {"ids": ids, **known, **state})).rowcount


@dataclass(frozen=True, slots=True)
class SqlNotificationStore(ReminderReader):
    """Implements NotificationStore and ReminderStore."""

    database: Database
    now: Clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlNotificationTransaction]:
        async with self.database.write() as connection:
            yield SqlNotificationTransaction(connection, INFRASTRUCTURE, Service.NOTIFICATION, self.now)

    async def list_due_messages(self, now: datetime, limit: int, offset: int = 0) -> list[Message | UnreadableMessage]:
        values = {"now": now, "taken_after": now - ABANDONED_AFTER, "max_rows": limit, "skipped_rows": offset}
        async with self.database.read() as connection:
            return [_read_message(row) for row in await connection.execute(LIST_DUE, values)]

    async def list_messages_being_sent(self) -> list[Message]:
        query = select(MESSAGES).where(MESSAGES.c.status == MessageStatus.SENDING).order_by(MESSAGES.c.seq).limit(MAX_MESSAGES_BEING_SENT)
        async with self.database.read() as connection:
            return read_rows("message", await connection.execute(query), message_from_row, lambda row: row.id)

    async def list_messages(self, wanted: MessageFilter, limit: int, after: tuple[str, ...] | None) -> list[LoggedMessage]:
        async with self.database.read() as connection:
            return await message_log.list_messages(connection, wanted, limit, after)

    async def find_message(self, message_id: UUID) -> LoggedMessage | None:
        async with self.database.read() as connection:
            return await message_log.find_message(connection, message_id)

    async def delete_finished_messages(self, created_before: datetime, limit: int) -> int:
        async with self.database.write() as connection:
            return await message_log.delete_finished(connection, created_before, limit)


def _read_message(row: Any) -> Message | UnreadableMessage:
    try:
        return message_from_row(row)
    except Exception as error:
        log_unreadable("message", row.id, error)
        return UnreadableMessage(row.id)
