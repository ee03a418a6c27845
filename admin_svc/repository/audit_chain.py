"""The end of the audit trail's chain and the heads of its days in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, insert, select, update

from admin_svc.domain.audit_chain import ChainEnd, DayHead
from admin_svc.repository.tables import AUDIT_CHAIN, AUDIT_HEADS
from shared.contracts.audit import AuditHeadSignature
from shared.kit.cursors import parse_sort_key
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database

HEADS = AUDIT_HEADS.c
CHAIN_ROW_ID = 1  # the `id` of the only row of AUDIT_CHAIN


class AuditChainWrites(SqlTransaction):
    """The part of SqlAdminTransaction that appends to the chain."""

    async def lock_chain_end(self) -> ChainEnd:
        query = select(AUDIT_CHAIN).where(AUDIT_CHAIN.c.id == CHAIN_ROW_ID).with_for_update()
        return end_from_row((await self.connection.execute(query)).one())

    async def save_chain_end(self, end: ChainEnd) -> None:
        values = {
            "day": end.day,
            "line_count": end.lines,
            "hash": end.hash,
            "previous_hash": end.previous_hash,
            "recorded_at": end.recorded_at,
            "is_closed": end.is_closed,
        }
        await self.connection.execute(update(AUDIT_CHAIN).where(AUDIT_CHAIN.c.id == CHAIN_ROW_ID).values(values))

    async def insert_head(self, head: DayHead) -> None:
        row = {
            "day": head.day,
            "line_count": head.lines,
            "hash": head.hash,
            "previous_hash": head.previous_hash,
            "closed_at": head.closed_at,
        }
        await self.connection.execute(insert(AUDIT_HEADS), row)

    async def save_signature(self, signed: AuditHeadSignature, signed_at: datetime) -> None:
        values = {"key_id": signed.key_id, "signature": signed.signature, "signed_at": signed_at}
        await self.connection.execute(update(AUDIT_HEADS).where(HEADS.day == signed.day, HEADS.signed_at.is_(None)).values(values))


class AuditChainReads:
    """The part of SqlAdminStore that reads the chain."""

    __slots__ = ()
    database: Database

    async def get_chain_end(self) -> ChainEnd:
        async with self.database.read() as connection:
            return end_from_row((await connection.execute(select(AUDIT_CHAIN).where(AUDIT_CHAIN.c.id == CHAIN_ROW_ID))).one())

    async def list_heads(self, limit: int, after: tuple[str, ...] | None) -> list[DayHead]:
        query = select(AUDIT_HEADS).order_by(HEADS.day.desc())
        if after is not None:
            query = query.where(HEADS.day < parse_sort_key(after, date.fromisoformat)[0])
        return await self._list(query.limit(limit))

    async def list_heads_since(self, after: date | None, limit: int) -> list[DayHead]:
        query = select(AUDIT_HEADS).order_by(HEADS.day)
        return await self._list((query if after is None else query.where(HEADS.day > after)).limit(limit))

    async def list_unsigned_heads(self, limit: int) -> list[DayHead]:
        return await self._list(select(AUDIT_HEADS).where(HEADS.signed_at.is_(None)).order_by(HEADS.day).limit(limit))

    async def _list(self, query: Select[Any]) -> list[DayHead]:
        async with self.database.read() as connection:
            rows: Sequence[Any] = (await connection.execute(query)).all()
        return [head_from_row(row) for row in rows]


def end_from_row(row: Any) -> ChainEnd:
    """Return the end of the chain of a row of AUDIT_CHAIN."""
    return ChainEnd(row.day, row.line_count, row.hash, row.previous_hash, row.recorded_at, row.is_closed)


def head_from_row(row: Any) -> DayHead:
    """Return the head of a row of AUDIT_HEADS."""
    return DayHead(
        day=row.day,
        lines=row.line_count,
        hash=row.hash,
        previous_hash=row.previous_hash,
        closed_at=row.closed_at,
        key_id=row.key_id,
        signature=row.signature,
        signed_at=row.signed_at,
        lines_deleted_at=row.lines_deleted_at,
    )
