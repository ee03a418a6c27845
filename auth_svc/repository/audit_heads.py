"""The signed heads of the audit trail in SQL."""

from __future__ import annotations

from datetime import date

from sqlalchemy import insert, select

from auth_svc.domain.audit_heads import SignedAuditHead
from auth_svc.repository.tables import SIGNED_AUDIT_HEADS
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import insert_if_absent

COLUMNS = SIGNED_AUDIT_HEADS.c
INSERT_HEAD = insert(SIGNED_AUDIT_HEADS)


class AuditHeadWrites(SqlTransaction):
    """The part of SqlAuthTransaction that stores signed heads."""

    async def find_signed_head(self, day: date) -> SignedAuditHead | None:
        row = (await self.connection.execute(select(SIGNED_AUDIT_HEADS).where(COLUMNS.day == day))).one_or_none()
        if row is None:
            return None
        return SignedAuditHead(row.day, row.line_count, row.hash, row.previous_hash, row.key_id, row.signature, row.signed_at)

    async def insert_signed_head(self, head: SignedAuditHead) -> bool:
        row = {
            "day": head.day,
            "line_count": head.lines,
            "hash": head.hash,
            "previous_hash": head.previous_hash,
            "key_id": head.key_id,
            "signature": head.signature,
            "signed_at": head.signed_at,
        }
        return await insert_if_absent(self.connection, INSERT_HEAD, row)
