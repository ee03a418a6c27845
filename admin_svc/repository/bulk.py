"""Bulk changes of appointments and their outcomes, in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import delete, insert, select, update

from admin_svc.domain.bulk import BulkAction, BulkChange, BulkItem, BulkOutcome, BulkRequest, BulkTarget
from admin_svc.repository.tables import BULK_CHANGES, BULK_ITEMS
from shared.contracts.http import Actor
from shared.kit.outbox import SqlTransaction
from shared.kit.pending import first_retry_at, take_due_rows
from shared.kit.sql import insert_if_absent

MAX_CHANGES_AT_ONCE = 5
TARGET, OUTCOME = TypeAdapter(BulkTarget), TypeAdapter(BulkOutcome)


class BulkWrites(SqlTransaction):
    """The part of SqlAdminTransaction that reads and writes bulk changes."""

    async def insert_bulk_change(self, change: BulkChange) -> None:
        row = {
            "id": change.id,
            "action": change.request.action,
            "reason": change.request.reason,
            "text": change.request.text,
            "by_id": change.by.id,
            "by_role": change.by.role,
            "requested_at": change.requested_at,
            "retry_at": first_retry_at(change.requested_at),
        }
        if await insert_if_absent(self.connection, insert(BULK_CHANGES).values(row)):
            await self.connection.execute(insert(BULK_ITEMS), [_row_of_item(change.id, item) for item in change.items])

    async def find_bulk_change(self, change_id: UUID) -> BulkChange | None:
        row = (await self.connection.execute(select(BULK_CHANGES).where(BULK_CHANGES.c.id == change_id))).one_or_none()
        if row is None:
            return None
        items = select(BULK_ITEMS).where(BULK_ITEMS.c.change_id == change_id).order_by(BULK_ITEMS.c.position)
        request = BulkRequest(
            BulkAction(row.action), tuple(map(_item_from_row, await self.connection.execute(items))), row.reason, row.text
        )
        return BulkChange(row.id, request, Actor(id=row.by_id, role=row.by_role), row.requested_at)

    async def save_bulk_item(self, change_id: UUID, item: BulkItem) -> None:
        same = BULK_ITEMS.c.change_id == change_id, BULK_ITEMS.c.position == item.position
        await self.connection.execute(update(BULK_ITEMS).where(*same).values(outcome=OUTCOME.dump_json(item.outcome).decode()))

    async def finish_bulk_change(self, change_id: UUID, now: datetime) -> None:
        unfinished = BULK_CHANGES.c.id == change_id, BULK_CHANGES.c.finished_at.is_(None)
        await self.connection.execute(update(BULK_CHANGES).where(*unfinished).values(finished_at=now, reason=None, text=None))

    async def make_bulk_change_due(self, change_id: UUID, now: datetime) -> None:
        await self.connection.execute(update(BULK_CHANGES).where(BULK_CHANGES.c.id == change_id).values(retry_at=now))

    async def take_due_bulk_changes(self, now: datetime) -> list[UUID]:
        rows = await take_due_rows(
            self.connection,
            BULK_CHANGES,
            now=now,
            limit=MAX_CHANGES_AT_ONCE,
            requested_at_column="requested_at",
            is_pending=BULK_CHANGES.c.finished_at.is_(None),
        )
        return [row.id for row in rows]

    async def delete_bulk_changes(self, finished_before: datetime, limit: int) -> int:
        old = select(BULK_CHANGES.c.id).where(BULK_CHANGES.c.finished_at < finished_before).order_by(BULK_CHANGES.c.id).limit(limit)
        ids = list(await self.connection.scalars(old))
        if ids:
            await self.connection.execute(delete(BULK_ITEMS).where(BULK_ITEMS.c.change_id.in_(ids)))
            await self.connection.execute(delete(BULK_CHANGES).where(BULK_CHANGES.c.id.in_(ids)))
        return len(ids)


def _row_of_item(change_id: UUID, item: BulkItem) -> dict[str, Any]:
    return {
        "change_id": change_id,
        "position": item.position,
        "appointment_id": item.id,
        "target": TARGET.dump_json(item.target).decode(),
        "outcome": OUTCOME.dump_json(item.outcome).decode(),
    }


def _item_from_row(row: Any) -> BulkItem:
    return BulkItem(row.position, row.appointment_id, TARGET.validate_json(row.target), OUTCOME.validate_json(row.outcome))
