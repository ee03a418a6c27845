"""Messages, and the newest versions of appointments, in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Update, bindparam, exists, insert, not_, select, update
from sqlalchemy.exc import IntegrityError

from notify_svc.domain.messages import ABANDONED_AFTER, Attempt, Message, MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.domain.visits import Visit
from notify_svc.ports import AlreadyStored, UnreadableMessage
from notify_svc.ports.message_log import LockedMessage, LoggedMessage, MessageFilter
from notify_svc.repository import message_log, old_visits
from notify_svc.repository.merged_patients import PatientMoveReader, PatientMoveWriter
from notify_svc.repository.reminders import PlanningWriter, ReminderReader, ReminderWriter, VisitWriter, row_of_visit, visit_from_row
from notify_svc.repository.tables import INFRASTRUCTURE, MESSAGES, VISITS
from notify_svc.repository.webhook_deliveries import WebhookDeliveryWriter
from notify_svc.repository.webhooks import WebhookWriter
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.outbox import SqlTransaction
from shared.kit.raw_insert import insert_together
from shared.kit.sql import Database, insert_if_absent
from shared.kit.unreadable import log_unreadable, read_rows

MAX_MESSAGES_BEING_SENT = 500
IDENTITY = {
    "id", "event_id", "kind", "audience", "recipient_id", "subject_id", "version", "facts", "created_at", "valid_until", "resent_from"
}  # fmt: skip
STATE = tuple(field.name for field in fields(Message) if field.name not in IDENTITY)
"""The fields of a message that change."""
GUARDS = ("status", "attempts", "handed_over")
"""The fields by which an update recognises that the message has not changed since it was read."""
BEING_SENT = MESSAGES.alias()


def guards_of(message: Message) -> tuple[Any, ...]:
    """Return the values by which an update recognises the state of a message."""
    return tuple(getattr(message, name) for name in GUARDS)


def changed_values(before: Message, after: Message) -> tuple[tuple[str, Any], ...]:
    """Return the status and the other fields that differ, with their values in `after`."""
    names = [name for name in STATE if name == "status" or getattr(before, name) != getattr(after, name)]
    return tuple((name, getattr(after, name)) for name in names)


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


@lru_cache
def update_statement(names: tuple[str, ...]) -> Update:
    """Return the statement that gives messages new values of some fields, if they are in the state that it names."""
    is_known = [MESSAGES.c[name] == bindparam(f"{name}_before") for name in GUARDS]
    values = {name: bindparam(f"new_{name}", type_=MESSAGES.c[name].type) for name in names}
    return update(MESSAGES).where(MESSAGES.c.id.in_(bindparam("ids", expanding=True)), *is_known).values(values)


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


class SqlNotificationTransaction(
    SqlTransaction, VisitWriter, PlanningWriter, ReminderWriter, PatientMoveWriter, WebhookWriter, WebhookDeliveryWriter
):
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

    async def insert_first_event(self, event_id: UUID, visit: Visit, messages: Sequence[Message]) -> None:
        handled = (self.tables.inbox, {"event_id": event_id, "handled_at": self.now()})
        try:
            await insert_together(
                self.connection, [handled, (VISITS, row_of_visit(visit)), *((MESSAGES, row_of(message)) for message in messages)]
            )
        except IntegrityError as error:
            raise AlreadyStored from error

    async def lock_messages_about(self, subject_ids: Collection[UUID]) -> list[Message]:
        rows = await self.connection.execute(LOCK_ABOUT, {"subject_ids": sorted(subject_ids)})
        return read_rows("message", rows, message_from_row, lambda row: row.id)

    async def lock_messages_to(self, recipient_id: UUID, limit: int, after: UUID | None) -> list[Message]:
        query = select(MESSAGES).where(MESSAGES.c.recipient_id == recipient_id).order_by(MESSAGES.c.id).limit(limit)
        if after is not None:
            query = query.where(MESSAGES.c.id > after)
        return read_rows("message", await self.connection.execute(query.with_for_update()), message_from_row, lambda row: row.id)

    async def erase_texts_to(self, recipient_id: UUID) -> int:
        is_written = MESSAGES.c.kind == MessageKind.CLINIC_MESSAGE
        written = select(MESSAGES.c.subject_id).where(MESSAGES.c.recipient_id == recipient_id, is_written)
        subject_ids = list(await self.connection.scalars(written))
        rows = await self.connection.execute(
            select(MESSAGES.c.id, MESSAGES.c.facts).where(MESSAGES.c.subject_id.in_(subject_ids), is_written)
        )
        with_text = [row for row in rows if row.facts.get("text")]
        for row in with_text:
            await self.connection.execute(update(MESSAGES).where(MESSAGES.c.id == row.id).values(facts=row.facts | {"text": ""}))
        return len(with_text)

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
        return await self._update([before.id], guards_of(before), changed_values(before, after)) == 1

    async def update_messages(self, changes: Sequence[tuple[Message, Message]]) -> None:
        """Change messages that are in the same state and get the same values with one statement."""
        groups = dict[Any, list[UUID]]()
        for before, after in changes:
            groups.setdefault((guards_of(before), changed_values(before, after)), []).append(before.id)
        for (guards, values), ids in groups.items():
            await self._update(ids, guards, values)

    async def _update(self, ids: Sequence[UUID], guards: tuple[Any, ...], values: tuple[tuple[str, Any], ...]) -> int:
        """Give messages new values; return how many were in the state that `guards` names."""
        known = {f"{name}_before": value for name, value in zip(GUARDS, guards, strict=True)}
        statement = update_statement(tuple(name for name, _ in values))
        changed = {f"new_{name}": value for name, value in values}
        return (await self.connection.execute(statement, {"ids": ids, **known, **changed})).rowcount


@dataclass(frozen=True, slots=True)
class SqlNotificationStore(ReminderReader, PatientMoveReader):
    """Implements NotificationStore, ReminderStore and PatientMoveStore. `wake_relay` is called after a commit that added an event."""

    database: Database
    now: Clock
    wake_relay: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlNotificationTransaction]:
        async with self.database.write() as connection:
            tx = SqlNotificationTransaction(connection, INFRASTRUCTURE, Service.NOTIFICATION, self.now)
            yield tx
        if tx.has_events:
            self.wake_relay()

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

    async def delete_ended_visits(self, before: datetime, limit: int) -> int:
        async with self.database.write() as connection:
            return await old_visits.delete_ended_visits(connection, before, limit)

    async def delete_old_digests(self, before: date, limit: int) -> int:
        async with self.database.write() as connection:
            return await old_visits.delete_old_digests(connection, before, limit)


def _read_message(row: Any) -> Message | UnreadableMessage:
    try:
        return message_from_row(row)
    except Exception as error:
        log_unreadable("message", row.id, error)
        return UnreadableMessage(row.id)
