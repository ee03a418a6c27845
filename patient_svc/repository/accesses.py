"""The log of who read or changed what of a patient, in SQL."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import insert

from patient_svc.domain.access import Access
from patient_svc.repository.tables import ACCESSES
from shared.kit.outbox import SqlTransaction

INSERT_ACCESS = insert(ACCESSES)


class AccessWrites(SqlTransaction):
    """The part of SqlPatientTransaction that writes the log."""

    async def record_access(self, access: Access) -> None:
        await self.connection.execute(INSERT_ACCESS, asdict(access))
        await self.add_event(access.event())
