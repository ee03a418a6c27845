"""Deliveries of webhooks in SQL."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notify_svc.domain.webhook_deliveries import DeliveryStatus, WebhookDelivery, WebhookProblem
from notify_svc.domain.webhook_sequences import EventSequence
from notify_svc.repository.tables import WEBHOOK_DELIVERIES
from shared.kit.sql import insert_if_absent

COLUMNS = WEBHOOK_DELIVERIES.c
ENDED = (DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)


def delivery_from_row(row: Any) -> WebhookDelivery:
    """Return the delivery of a row of WEBHOOK_DELIVERIES."""
    fields = {column.name: row._mapping[column] for column in COLUMNS if column is not COLUMNS.seq}
    return WebhookDelivery(**fields | {"status": DeliveryStatus(row.status)})


class WebhookDeliveryWriter:
    """Implements the part of WebhookTransaction about deliveries."""

    connection: AsyncConnection

    async def insert_delivery(self, delivery: WebhookDelivery) -> bool:
        return await insert_if_absent(self.connection, insert(WEBHOOK_DELIVERIES).values(asdict(delivery)))

    async def release_waiting_deliveries(self, sequence: EventSequence, now: datetime) -> None:
        may_be_sent = COLUMNS.waits_for_earlier.is_(True) & (COLUMNS.sequence <= sequence.complete_until + 1)
        is_waiting = (COLUMNS.stream_id == sequence.appointment_id) & may_be_sent & (COLUMNS.status == DeliveryStatus.QUEUED)
        await self.connection.execute(update(WEBHOOK_DELIVERIES).where(is_waiting).values(waits_for_earlier=False, due_at=now))

    async def lock_delivery(self, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery | None:
        query = select(WEBHOOK_DELIVERIES).where(COLUMNS.id == delivery_id, COLUMNS.webhook_id == webhook_id).with_for_update()
        row = (await self.connection.execute(query)).one_or_none()
        return delivery_from_row(row) if row else None

    async def save_delivery(self, before: WebhookDelivery, after: WebhookDelivery) -> bool:
        is_unchanged = and_(
            COLUMNS.id == before.id,
            COLUMNS.status == before.status,
            COLUMNS.attempts == before.attempts,
            COLUMNS.queued_at == before.queued_at,
            COLUMNS.holder.is_(None) if before.holder is None else COLUMNS.holder == before.holder,
        )
        return bool((await self.connection.execute(update(WEBHOOK_DELIVERIES).where(is_unchanged).values(asdict(after)))).rowcount)

    async def requeue_abandoned(self, webhook_id: UUID, taken_before: datetime, now: datetime) -> None:
        is_abandoned = (COLUMNS.webhook_id == webhook_id) & (COLUMNS.status == DeliveryStatus.SENDING) & (COLUMNS.taken_at < taken_before)
        await self._requeue(is_abandoned, now)

    async def release_own_deliveries(self, holder: str, now: datetime) -> int:
        return await self._requeue((COLUMNS.status == DeliveryStatus.SENDING) & (COLUMNS.holder == holder), now)

    async def _requeue(self, condition: Any, now: datetime) -> int:
        values = {
            "status": DeliveryStatus.QUEUED,
            "holder": None,
            "taken_at": None,
            "due_at": now,
            "problem": WebhookProblem.INTERRUPTED,
        }
        return int((await self.connection.execute(update(WEBHOOK_DELIVERIES).where(condition).values(values))).rowcount)

    async def count_in_flight(self, webhook_id: UUID) -> int:
        in_flight = select(func.count()).where(COLUMNS.webhook_id == webhook_id, COLUMNS.status == DeliveryStatus.SENDING)
        return int((await self.connection.execute(in_flight)).scalar_one())

    async def list_next_deliveries(self, webhook_id: UUID, now: datetime, limit: int) -> list[WebhookDelivery]:
        other = WEBHOOK_DELIVERIES.alias("other").c
        is_earlier = or_(other.sequence < COLUMNS.sequence, and_(other.sequence == COLUMNS.sequence, other.seq < COLUMNS.seq))
        must_be_first = or_(other.status == DeliveryStatus.SENDING, and_(other.status == DeliveryStatus.QUEUED, is_earlier))
        is_blocked = exists().where(other.webhook_id == COLUMNS.webhook_id, other.stream_id == COLUMNS.stream_id, must_be_first)
        is_due = (COLUMNS.webhook_id == webhook_id) & (COLUMNS.status == DeliveryStatus.QUEUED) & (COLUMNS.due_at <= now)
        query = select(WEBHOOK_DELIVERIES).where(is_due, ~is_blocked).order_by(COLUMNS.due_at, COLUMNS.seq).limit(limit)
        return list(map(delivery_from_row, await self.connection.execute(query)))

    async def replay_deliveries(self, webhook_id: UUID, since: datetime, now: datetime) -> int:
        is_waiting = (COLUMNS.status == DeliveryStatus.QUEUED) & COLUMNS.waits_for_earlier.is_(False)
        is_replayed = (COLUMNS.webhook_id == webhook_id) & (COLUMNS.status.in_(ENDED) | is_waiting) & (COLUMNS.created_at >= since)
        values = {"status": DeliveryStatus.QUEUED, "attempts": 0, "queued_at": now, "due_at": now}
        return int((await self.connection.execute(update(WEBHOOK_DELIVERIES).where(is_replayed).values(values))).rowcount)

    async def make_deliveries_due(self, webhook_id: UUID, now: datetime) -> None:
        is_waiting = (COLUMNS.status == DeliveryStatus.QUEUED) & COLUMNS.waits_for_earlier.is_(False) & (COLUMNS.due_at > now)
        await self.connection.execute(update(WEBHOOK_DELIVERIES).where(COLUMNS.webhook_id == webhook_id, is_waiting).values(due_at=now))

    async def give_up_deliveries(self, webhook_id: UUID) -> None:
        is_queued = (COLUMNS.webhook_id == webhook_id) & (COLUMNS.status == DeliveryStatus.QUEUED)
        values = {"status": DeliveryStatus.FAILED, "problem": WebhookProblem.ENDED}
        await self.connection.execute(update(WEBHOOK_DELIVERIES).where(is_queued).values(values))
