"""Which patients were merged into which, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import insert, select

from admin_svc.domain.audit import MAX_FORMER_IDS
from admin_svc.repository.tables import FORMER_IDS
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, insert_if_absent

COLUMNS = FORMER_IDS.c
INSERT_MERGE = insert(FORMER_IDS)


class FormerIdWrites(SqlTransaction):
    """The part of SqlAdminTransaction that records merges."""

    async def save_merge(self, patient_id: UUID, into: UUID) -> None:
        await insert_if_absent(self.connection, INSERT_MERGE, {"patient_id": patient_id, "into_id": into})


class FormerIdReads:
    """The part of SqlAdminStore that reads merges."""

    __slots__ = ()
    database: Database

    async def list_former_ids(self, patient_id: UUID) -> Sequence[UUID]:
        """Each query finds the patients who were merged into those of the query before. This ends, because a patient is merged once."""
        former_ids: list[UUID] = []
        latest: Sequence[UUID] = [patient_id]
        async with self.database.read() as connection:
            while latest and len(former_ids) < MAX_FORMER_IDS:
                merged = select(COLUMNS.patient_id).where(COLUMNS.into_id.in_(latest)).order_by(COLUMNS.into_id, COLUMNS.patient_id)
                latest = (await connection.scalars(merged.limit(MAX_FORMER_IDS - len(former_ids)))).all()
                former_ids += latest
        return former_ids
