"""Deleting days of the audit trail that are older than the clinic keeps them. Only the retention job uses this module.

On MySQL it has a database user of its own, because the user of the service may not delete lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_svc.repository.tables import AUDIT_HEADS, AUDIT_LINES
from shared.kit.sql import Database

LINES, HEADS = AUDIT_LINES.c, AUDIT_HEADS.c


@dataclass(frozen=True, slots=True)
class SqlOldAuditLines:
    """Implements OldAuditLines."""

    database: Database

    async def delete_lines(self, before: date, now: datetime, limit: int) -> int:
        async with self.database.write() as connection:
            day = await connection.scalar(oldest_day(before))
            if day is None or not await self._mark_deletion(connection, day, now):
                return 0
            last = await connection.scalar(select(func.max(oldest_positions(day, limit).subquery().c.position)))
            return (await connection.execute(delete(AUDIT_LINES).where(LINES.day == day, LINES.position <= last))).rowcount

    async def _mark_deletion(self, connection: AsyncConnection, day: date, now: datetime) -> bool:
        """Record in the head of a day that its lines are being deleted. Returns False when the day has no signed head."""
        marking = update(AUDIT_HEADS).where(HEADS.day == day, HEADS.lines_deleted_at.is_(None), HEADS.signed_at.is_not(None))
        await connection.execute(marking.values(lines_deleted_at=now))
        return await connection.scalar(select(HEADS.lines_deleted_at).where(HEADS.day == day)) is not None


def oldest_day(before: date) -> Select[Any]:
    """Return the query of the oldest recording day that has lines, if it is before another day."""
    return select(LINES.day).where(LINES.day < before).order_by(LINES.day).limit(1)


def oldest_positions(day: date, limit: int) -> Select[Any]:
    """Return the query of the first positions of a day that are left."""
    return select(LINES.position).where(LINES.day == day).order_by(LINES.position).limit(limit)
