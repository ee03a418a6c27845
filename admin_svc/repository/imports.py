"""Imports in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_svc.domain.import_refusals import RowRefusal
from admin_svc.domain.imports import STOPPED_BY_RESTORE, UNFINISHED, Import, ImportKind, ImportProgress, RowResult, RowStatus, StoredRow
from admin_svc.repository.tables import IMPORT_ROWS, IMPORTS
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.kit.cursors import parse_instant_and_id, parse_sort_key
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, insert_if_absent

IMPORT, ROW = IMPORTS.c, IMPORT_ROWS.c
INSERT_IMPORT, INSERT_ROWS = insert(IMPORTS), insert(IMPORT_ROWS)
ROWS_AT_ONCE = 500


def import_from_row(row: Any) -> Import:
    """Return the import of a row of IMPORTS."""
    by = Actor(id=row.created_by, role=Role(row.created_by_role))
    return Import(row.id, ImportKind(row.kind), row.dry_run, by, row.created_at, row.finished_at)


def outcome_from_row(row: Any) -> RowResult:
    """Return the outcome of a row of IMPORT_ROWS. The id is shown of those who exist only."""
    refusal = None if row.code is None else RowRefusal(row.code, row.detail or "", row.pointer)
    return RowResult(row.line, RowStatus(row.status), row.target_id, refusal)


def _row_values(import_id: UUID, row: StoredRow) -> dict[str, Any]:
    refusal = row.refusal
    return {
        "import_id": import_id,
        "line": row.line,
        "target_id": row.target_id,
        "status": row.status,
        "fields": row.encrypted,
        "code": refusal and refusal.code,
        "detail": refusal and refusal.detail,
        "pointer": refusal and refusal.pointer,
    }


class ImportWrites(SqlTransaction):
    """The part of SqlAdminTransaction with imports."""

    async def count_unfinished_imports(self) -> int:
        return await self.connection.scalar(select(func.count()).select_from(IMPORTS).where(IMPORT.finished_at.is_(None))) or 0

    async def insert_import(self, imported: Import, rows: Sequence[StoredRow]) -> bool:
        row = {
            "id": imported.id,
            "kind": imported.kind,
            "dry_run": imported.dry_run,
            "created_by": imported.by.id,
            "created_by_role": imported.by.role,
            "created_at": imported.created_at,
            "retry_at": imported.created_at,
            "finished_at": imported.finished_at,
        }
        if not await insert_if_absent(self.connection, INSERT_IMPORT, row):
            return False
        stored = [_row_values(imported.id, row) for row in rows]
        for start in range(0, len(stored), ROWS_AT_ONCE):
            await self.connection.execute(INSERT_ROWS, stored[start : start + ROWS_AT_ONCE])
        return True

    async def mark_creating(self, import_id: UUID, lines: Sequence[int]) -> None:
        is_begun = (ROW.import_id == import_id) & ROW.line.in_(lines) & (ROW.status == RowStatus.PENDING)
        await self.connection.execute(update(IMPORT_ROWS).where(is_begun).values(status=RowStatus.CREATING))

    async def save_outcomes(self, import_id: UUID, outcomes: Sequence[RowResult]) -> None:
        for outcome in outcomes:
            refusal = outcome.refusal
            values = {
                "status": outcome.status,
                "target_id": outcome.target_id,
                "fields": None,
                "code": refusal and refusal.code,
                "detail": refusal and refusal.detail,
                "pointer": refusal and refusal.pointer,
            }
            is_waiting = (ROW.import_id == import_id) & (ROW.line == outcome.line) & ROW.status.in_(UNFINISHED)
            await self.connection.execute(update(IMPORT_ROWS).where(is_waiting).values(values))

    async def postpone(self, import_id: UUID, retry_at: datetime) -> None:
        await self.connection.execute(update(IMPORTS).where(IMPORT.id == import_id).values(retry_at=retry_at))

    async def finish_if_done(self, import_id: UUID, now: datetime) -> bool:
        waiting = select(ROW.line).where(ROW.import_id == import_id, ROW.status.in_(UNFINISHED)).limit(1)
        if await self.connection.scalar(waiting) is not None:
            return False
        await self.connection.execute(update(IMPORTS).where(IMPORT.id == import_id, IMPORT.finished_at.is_(None)).values(finished_at=now))
        return True


class ImportReads:
    """The part of SqlAdminStore that reads imports, and deletes old ones."""

    __slots__ = ()
    database: Database

    async def find_due_import(self, now: datetime) -> Import | None:
        due = select(IMPORTS).where(IMPORT.finished_at.is_(None), IMPORT.retry_at <= now).order_by(IMPORT.created_at, IMPORT.id).limit(1)
        async with self.database.read() as connection:
            row = (await connection.execute(due)).first()
        return None if row is None else import_from_row(row)

    async def list_waiting_rows(self, import_id: UUID, limit: int) -> list[StoredRow]:
        waiting = select(IMPORT_ROWS).where(ROW.import_id == import_id, ROW.status.in_(UNFINISHED)).order_by(ROW.line).limit(limit)
        async with self.database.read() as connection:
            rows = (await connection.execute(waiting)).all()
        return [StoredRow(row.line, row.target_id, RowStatus(row.status), row.fields) for row in rows]

    async def find_progress(self, import_id: UUID) -> ImportProgress | None:
        async with self.database.read() as connection:
            row = (await connection.execute(select(IMPORTS).where(IMPORT.id == import_id))).first()
            counts = (await connection.execute(_counting_query([import_id]))).all()
        return None if row is None else ImportProgress(import_from_row(row), {RowStatus(count.status): count.rows for count in counts})

    async def list_imports(self, limit: int, after: tuple[str, ...] | None) -> list[ImportProgress]:
        query = select(IMPORTS).order_by(IMPORT.created_at.desc(), IMPORT.id.desc()).limit(limit)
        if after is not None:
            query = query.where(rows_after((IMPORT.created_at, IMPORT.id), parse_instant_and_id(after), descending=True))
        async with self.database.read() as connection:
            heads = (await connection.execute(query)).all()
            counts = (await connection.execute(_counting_query([head.id for head in heads]))).all()
        return [
            ImportProgress(import_from_row(head), {RowStatus(count.status): count.rows for count in counts if count.import_id == head.id})
            for head in heads
        ]

    async def list_outcomes(self, import_id: UUID, status: RowStatus | None, limit: int, after: tuple[str, ...] | None) -> list[RowResult]:
        query = select(IMPORT_ROWS).where(ROW.import_id == import_id).order_by(ROW.line).limit(limit)
        if status is not None:
            query = query.where(ROW.status == status)
        if after is not None:
            (line,) = parse_sort_key(after, int)
            query = query.where(ROW.line > max(min(line, 2**31 - 1), -1))
        async with self.database.read() as connection:
            return [outcome_from_row(row) for row in await connection.execute(query)]

    async def delete_imports(self, before: datetime, limit: int) -> int:
        async with self.database.write() as connection:
            oldest = select(IMPORT.id).where(IMPORT.finished_at < before).order_by(IMPORT.finished_at).limit(limit)
            ids = list(await connection.scalars(oldest))
            if ids:
                await connection.execute(delete(IMPORT_ROWS).where(ROW.import_id.in_(ids)))
                await connection.execute(delete(IMPORTS).where(IMPORT.id.in_(ids)))
        return len(ids)

    async def empty_log(self) -> None:
        await self.database.empty_log()


async def stop_unfinished(connection: AsyncConnection, now: datetime) -> int:
    """Have all rows that wait fail, delete their fields, and end their imports; return the number of rows."""
    refusal = {"code": STOPPED_BY_RESTORE.code, "detail": STOPPED_BY_RESTORE.detail}
    values = {"status": RowStatus.FAILED, "target_id": None, "fields": None, **refusal}
    stopped = await connection.execute(update(IMPORT_ROWS).where(ROW.status.in_(UNFINISHED)).values(values))
    await connection.execute(update(IMPORTS).where(IMPORT.finished_at.is_(None)).values(finished_at=now))
    return stopped.rowcount


def _counting_query(import_ids: Sequence[UUID]) -> Any:
    """Return the query of how many rows of imports have which status."""
    counted = select(ROW.import_id, ROW.status, func.count().label("rows")).where(ROW.import_id.in_(import_ids))
    return counted.group_by(ROW.import_id, ROW.status)
