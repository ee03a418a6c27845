"""Webhooks and the sequences of events in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import bindparam, exists, insert, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.ext.asyncio import AsyncConnection

from notify_svc.domain.webhook_deliveries import DeliveryStatus, WebhookDelivery, WebhookProblem
from notify_svc.domain.webhook_sequences import EventSequence
from notify_svc.domain.webhooks import ReplacedSecret, Webhook, WebhookAnswer, WebhookStatus
from notify_svc.repository.tables import EVENT_SEQUENCES, VISITS, WEBHOOK_ANSWERS, WEBHOOK_DELIVERIES, WEBHOOKS
from notify_svc.repository.webhook_deliveries import ENDED, delivery_from_row
from shared.kit.cursors import parse_instant_and_id
from shared.kit.keyset_pagination import rows_after
from shared.kit.sql import Database, insert_if_absent


def webhook_from_row(row: Any) -> Webhook:
    """Return the webhook of a row of WEBHOOKS."""
    fields = {column.name: row._mapping[column] for column in WEBHOOKS.c}
    replaced = tuple(ReplacedSecret(secret, datetime.fromisoformat(until)) for secret, until in row.replaced_secrets)
    return Webhook(**fields | {"events": tuple(row.events), "status": WebhookStatus(row.status), "replaced_secrets": replaced})


def _webhook_row(webhook: Webhook) -> dict[str, Any]:
    replaced = [[secret.secret, secret.valid_until.isoformat()] for secret in webhook.replaced_secrets]
    return asdict(webhook) | {"replaced_secrets": replaced}


def _sequence_row(sequence: EventSequence) -> dict[str, Any]:
    ahead = [[number, came_at.isoformat()] for number, came_at in sequence.ahead]
    return {"appointment_id": sequence.appointment_id, "complete_until": sequence.complete_until, "ahead": ahead}


D = WEBHOOK_DELIVERIES.c
IS_DUE = (D.status == DeliveryStatus.QUEUED) & (D.due_at <= bindparam("now"))
IS_ABANDONED = (D.status == DeliveryStatus.SENDING) & (D.taken_at < bindparam("abandoned_before"))
DUE_WEBHOOKS = select(WEBHOOKS.c.id).where(
    WEBHOOKS.c.status == WebhookStatus.ACTIVE,
    exists().where(D.webhook_id == WEBHOOKS.c.id, IS_DUE) | exists().where(D.webhook_id == WEBHOOKS.c.id, IS_ABANDONED),
)
STORED_WEBHOOK = TypeAdapter(Webhook)
LIST_RECEIVING = select(WEBHOOKS).where(WEBHOOKS.c.status != WebhookStatus.ENDED)


class WebhookWriter:
    """Implements the part of WebhookTransaction about webhooks and the sequences of events."""

    connection: AsyncConnection

    async def list_receiving_webhooks(self) -> list[Webhook]:
        return list(map(webhook_from_row, await self.connection.execute(LIST_RECEIVING)))

    async def find_known_version(self, appointment_id: UUID) -> int | None:
        query = select(VISITS.c.version).where(VISITS.c.appointment_id == appointment_id)
        return (await self.connection.execute(query)).scalar_one_or_none()

    async def lock_event_sequence(self, appointment_id: UUID) -> EventSequence | None:
        query = select(EVENT_SEQUENCES).where(EVENT_SEQUENCES.c.appointment_id == appointment_id).with_for_update()
        row = (await self.connection.execute(query)).one_or_none()
        if row is None:
            return None
        ahead = tuple((number, datetime.fromisoformat(came_at)) for number, came_at in row.ahead)
        return EventSequence(row.appointment_id, row.complete_until, ahead)

    async def insert_event_sequence(self, sequence: EventSequence) -> bool:
        return await insert_if_absent(self.connection, insert(EVENT_SEQUENCES).values(_sequence_row(sequence)))

    async def update_event_sequence(self, sequence: EventSequence) -> None:
        is_same = EVENT_SEQUENCES.c.appointment_id == sequence.appointment_id
        await self.connection.execute(update(EVENT_SEQUENCES).where(is_same).values(_sequence_row(sequence)))

    async def insert_webhook(self, webhook: Webhook) -> bool:
        return await insert_if_absent(self.connection, insert(WEBHOOKS).values(_webhook_row(webhook)))

    async def count_webhooks(self) -> int:
        return len((await self.connection.execute(select(WEBHOOKS.c.id).with_for_update())).all())

    async def lock_webhook(self, webhook_id: UUID) -> Webhook | None:
        query = select(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id).with_for_update()
        row = (await self.connection.execute(query)).one_or_none()
        return webhook_from_row(row) if row else None

    async def lock_idle_webhook(self, webhook_id: UUID) -> Webhook | None:
        query = select(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id).with_for_update(skip_locked=True)
        row = (await self.connection.execute(query)).one_or_none()
        return webhook_from_row(row) if row else None

    async def save_webhook(self, webhook: Webhook) -> None:
        await self.connection.execute(update(WEBHOOKS).where(WEBHOOKS.c.id == webhook.id).values(_webhook_row(webhook)))

    async def delete_webhook(self, webhook_id: UUID) -> None:
        await self.connection.execute(delete_from(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id))

    async def find_answer(self, operation_id: UUID) -> WebhookAnswer | None:
        query = select(WEBHOOK_ANSWERS).where(WEBHOOK_ANSWERS.c.operation_id == operation_id)
        row = (await self.connection.execute(query)).one_or_none()
        return (
            WebhookAnswer(row.operation_id, row.fingerprint, STORED_WEBHOOK.validate_python(row.webhook), row.answered_at) if row else None
        )

    async def insert_answer(self, answer: WebhookAnswer) -> bool:
        row = {
            "operation_id": answer.operation_id,
            "fingerprint": answer.fingerprint,
            "webhook": STORED_WEBHOOK.dump_python(answer.webhook, mode="json"),
            "answered_at": answer.answered_at,
        }
        return await insert_if_absent(self.connection, insert(WEBHOOK_ANSWERS).values(row))


@dataclass(frozen=True, slots=True)
class SqlWebhookReads:
    """Implements WebhookReads."""

    database: Database

    async def find_webhook(self, webhook_id: UUID) -> Webhook | None:
        async with self.database.read() as connection:
            row = (await connection.execute(select(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id))).one_or_none()
        return webhook_from_row(row) if row else None

    async def list_webhooks(self, limit: int, after: tuple[str, ...] | None) -> list[Webhook]:
        columns = (WEBHOOKS.c.created_at, WEBHOOKS.c.id)
        query = select(WEBHOOKS).order_by(*columns).limit(limit)
        if after is not None:
            query = query.where(rows_after(columns, parse_instant_and_id(after)))
        async with self.database.read() as connection:
            return list(map(webhook_from_row, await connection.execute(query)))

    async def list_deliveries(self, webhook_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[WebhookDelivery]:
        deliveries = WEBHOOK_DELIVERIES.c
        columns = (deliveries.created_at, deliveries.id)
        query = select(WEBHOOK_DELIVERIES).where(deliveries.webhook_id == webhook_id).order_by(*(column.desc() for column in columns))
        if after is not None:
            query = query.where(rows_after(columns, parse_instant_and_id(after), descending=True))
        async with self.database.read() as connection:
            return list(map(delivery_from_row, await connection.execute(query.limit(limit))))

    async def list_due_webhooks(self, now: datetime, abandoned_before: datetime) -> Sequence[UUID]:
        values = {"now": now, "abandoned_before": abandoned_before}
        async with self.database.read() as connection:
            return list((await connection.execute(DUE_WEBHOOKS, values)).scalars())

    async def list_failing_webhooks(self, since: datetime) -> list[Webhook]:
        is_failing = (WEBHOOKS.c.status == WebhookStatus.ACTIVE) & (WEBHOOKS.c.failing_since <= since)
        async with self.database.read() as connection:
            return list(map(webhook_from_row, await connection.execute(select(WEBHOOKS).where(is_failing))))

    async def give_up_old_deliveries(self, queued_before: datetime, limit: int) -> int:
        deliveries = WEBHOOK_DELIVERIES.c
        is_old = (deliveries.status == DeliveryStatus.QUEUED) & (deliveries.queued_at < queued_before)
        async with self.database.write() as connection:
            numbers = (await connection.execute(select(deliveries.seq).where(is_old).limit(limit))).scalars().all()
            values = {"status": DeliveryStatus.FAILED, "problem": WebhookProblem.TOO_OLD}
            await connection.execute(update(WEBHOOK_DELIVERIES).where(deliveries.seq.in_(numbers), is_old).values(values))
        return len(numbers)

    async def delete_old_deliveries(self, created_before: datetime, limit: int) -> int:
        deliveries = WEBHOOK_DELIVERIES.c
        is_old = deliveries.status.in_(ENDED) & (deliveries.created_at < created_before)
        is_orphan = ~exists().where(WEBHOOKS.c.id == deliveries.webhook_id)
        deleted = 0
        for condition in (is_old, is_orphan):
            async with self.database.write() as connection:
                numbers = (await connection.execute(select(deliveries.seq).where(condition).limit(limit))).scalars().all()
                await connection.execute(delete_from(WEBHOOK_DELIVERIES).where(deliveries.seq.in_(numbers)))
            deleted += len(numbers)
        return deleted

    async def delete_old_answers(self, answered_before: datetime, limit: int) -> int:
        is_old = WEBHOOK_ANSWERS.c.answered_at < answered_before
        async with self.database.write() as connection:
            ids = (await connection.execute(select(WEBHOOK_ANSWERS.c.operation_id).where(is_old).limit(limit))).scalars().all()
            await connection.execute(delete_from(WEBHOOK_ANSWERS).where(WEBHOOK_ANSWERS.c.operation_id.in_(ids)))
        return len(ids)
