"""Deleting lines of the audit trail that are older than the clinic keeps them. Only the retention job uses this module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, select

from admin_svc.repository.tables import AUDIT_LINES
from shared.kit.sql import Database


@dataclass(frozen=True, slots=True)
class SqlOldAuditLines:
    """Implements OldAuditLines."""

    database: Database

    async def delete_lines(self, before: datetime, limit: int) -> int:
        async with self.database.write() as connection:
            ids = list(await connection.scalars(oldest_lines(before, limit)))
            if not ids:
                return 0
            return (await connection.execute(delete(AUDIT_LINES).where(AUDIT_LINES.c.id.in_(ids), AUDIT_LINES.c.at < before))).rowcount


def oldest_lines(before: datetime, limit: int) -> Select[tuple[object]]:
    """Return the query of the ids of lines about what happened before an instant, the oldest first."""
    columns = AUDIT_LINES.c
    return select(columns.id).where(columns.at < before).order_by(columns.at, columns.id).limit(limit)
