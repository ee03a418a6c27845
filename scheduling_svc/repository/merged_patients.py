"""Patients who were merged into another one, in SQL."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import Claim
from scheduling_svc.ports import LostRace
from scheduling_svc.repository.claims import SELECT_LIVE, from_row
from scheduling_svc.repository.tables import CLAIMS, MERGED_PATIENTS
from shared.kit.clock import Clock

SELECT_TARGET = select(MERGED_PATIENTS.c.into_id).where(MERGED_PATIENTS.c.id == bindparam("patient"))
LOCK_TARGET = SELECT_TARGET.with_for_update(read=True)


class MergedPatientWriter:
    """Reads and writes who was merged into whom."""

    connection: AsyncConnection
    now: Clock

    async def find_current_patient(self, patient_id: UUID) -> UUID:
        """Return the patient into whom a patient was merged, or the same one."""
        while target := await self.connection.scalar(SELECT_TARGET, {"patient": patient_id}):
            patient_id = target
        return patient_id

    async def lock_merge(self, patient_id: UUID) -> bool:
        """Return True if a patient was merged into another one. A merge of them that is being stored is waited for."""
        return await self.connection.scalar(LOCK_TARGET, {"patient": patient_id}) is not None

    async def insert_merged_patient(self, patient_id: UUID, into_id: UUID) -> None:
        """Store a merge; raise LostRace if another transaction has stored one of the same patient."""
        try:
            await self.connection.execute(insert(MERGED_PATIENTS).values(id=patient_id, into_id=into_id, stored_at=self.now()))
        except IntegrityError:
            raise LostRace from None

    async def list_claims_of_patient(self, patient_id: UUID, limit: int) -> list[Claim]:
        """Return claims that take time of a patient, by id, and lock them. Claims that are being stored are waited for."""
        claims = (
            SELECT_LIVE.where(CLAIMS.c.patient_id == patient_id, CLAIMS.c.archived.is_(False))
            .order_by(CLAIMS.c.id)
            .limit(limit)
            .with_for_update()
        )
        return [from_row(row) for row in await self.connection.execute(claims)]
