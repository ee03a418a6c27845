"""Guardians and their dependants in SQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, insert, select

from patient_svc.domain.guardians import Dependant
from patient_svc.ports import SortKey
from patient_svc.repository.tables import GUARDIANS, PATIENTS
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.paging import parse_sort_key
from shared.kit.sql import Database


class GuardianWrites(SqlTransaction):
    """The part of SqlPatientTransaction that writes guardianships."""

    async def count_dependants(self, guardian_id: UUID) -> int:
        query = select(func.count()).select_from(GUARDIANS).where(GUARDIANS.c.guardian_id == guardian_id)
        return int(await self.connection.scalar(query) or 0)

    async def insert_guardianship(self, guardian_id: UUID, dependant: Dependant) -> None:
        row = {"dependant_id": dependant.id, "guardian_id": guardian_id, "relationship": dependant.relationship}
        await self.connection.execute(insert(GUARDIANS).values(row))

    async def delete_guardianship(self, guardian_id: UUID, dependant_id: UUID) -> bool:
        is_guardianship = (GUARDIANS.c.dependant_id == dependant_id) & (GUARDIANS.c.guardian_id == guardian_id)
        return bool((await self.connection.execute(delete(GUARDIANS).where(is_guardianship))).rowcount)


class GuardianReads:
    """The part of SqlPatientStore that reads dependants."""

    __slots__ = ()
    database: Database

    async def get_dependant(self, guardian_id: UUID, dependant_id: UUID) -> Dependant:
        query = _dependants_of(guardian_id).where(GUARDIANS.c.dependant_id == dependant_id)
        async with self.database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NoSuchPatient
        return Dependant(*row)

    async def list_dependants(self, guardian_id: UUID, *, limit: int, after: SortKey) -> list[Dependant]:
        query = _dependants_of(guardian_id).order_by(GUARDIANS.c.dependant_id).limit(limit)
        if after is not None:
            query = query.where(rows_after((GUARDIANS.c.dependant_id,), parse_sort_key(after, UUID)))
        async with self.database.read() as connection:
            return [Dependant(*row) for row in await connection.execute(query)]


def _dependants_of(guardian_id: UUID) -> Select[Any]:
    """Return the query of a guardian's dependants, with the columns in the order of Dependant's fields."""
    columns = (PATIENTS.c.id, PATIENTS.c.full_name, PATIENTS.c.born_on, GUARDIANS.c.relationship)
    return select(*columns).join(GUARDIANS, GUARDIANS.c.dependant_id == PATIENTS.c.id).where(GUARDIANS.c.guardian_id == guardian_id)
