"""Guardians and their dependants in SQL."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain.guardians import Dependant, Guardian
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

    async def list_guardians(self, dependant_id: UUID, *, adults_born_until: date) -> list[Guardian]:
        return await _list_guardians(self.connection, dependant_id, adults_born_until)

    async def get_dependant(self, guardian_id: UUID, dependant_id: UUID) -> Dependant:
        row = (await self.connection.execute(_dependants_of(guardian_id).where(PATIENTS.c.id == dependant_id))).one_or_none()
        if row is None:
            raise NoSuchPatient
        return Dependant(*row)

    async def list_dependants(self, guardian_id: UUID, *, adults_born_until: date, limit: int, after: SortKey) -> list[Dependant]:
        return await _list_dependants(self.connection, guardian_id, adults_born_until, limit, after)

    async def insert_guardianship(self, guardian_id: UUID, dependant_id: UUID, relationship: str | None) -> None:
        row = {"dependant_id": dependant_id, "guardian_id": guardian_id, "relationship": relationship}
        await self.connection.execute(insert(GUARDIANS).values(row))

    async def update_guardianship(self, guardian_id: UUID, dependant_id: UUID, relationship: str | None) -> None:
        is_guardianship = (GUARDIANS.c.dependant_id == dependant_id) & (GUARDIANS.c.guardian_id == guardian_id)
        await self.connection.execute(update(GUARDIANS).where(is_guardianship).values(relationship=relationship))

    async def delete_guardianship(self, guardian_id: UUID, dependant_id: UUID) -> bool:
        is_guardianship = (GUARDIANS.c.dependant_id == dependant_id) & (GUARDIANS.c.guardian_id == guardian_id)
        return bool((await self.connection.execute(delete(GUARDIANS).where(is_guardianship))).rowcount)

    async def list_grown_up_dependants(self, *, adults_born_until: date, limit: int) -> list[UUID]:
        query = select(PATIENTS.c.id).where(PATIENTS.c.id.in_(select(GUARDIANS.c.dependant_id)), _has_grown_up(adults_born_until))
        return list(await self.connection.scalars(query.order_by(PATIENTS.c.id).limit(limit)))

    async def delete_ended_guardianships(self, dependant_id: UUID, *, adults_born_until: date) -> bool:
        has_ended = select(PATIENTS.c.id).where(PATIENTS.c.id == dependant_id, _has_grown_up(adults_born_until))
        if await self.connection.scalar(has_ended) is None:
            return False
        return bool((await self.connection.execute(delete(GUARDIANS).where(GUARDIANS.c.dependant_id == dependant_id))).rowcount)


class GuardianReads:
    """The part of SqlPatientStore that reads dependants."""

    __slots__ = ()
    database: Database

    async def list_dependants(self, guardian_id: UUID, *, adults_born_until: date, limit: int, after: SortKey) -> list[Dependant]:
        async with self.database.read() as connection:
            return await _list_dependants(connection, guardian_id, adults_born_until, limit, after)

    async def list_guardians(self, dependant_id: UUID, *, adults_born_until: date) -> list[Guardian]:
        async with self.database.read() as connection:
            return await _list_guardians(connection, dependant_id, adults_born_until)


def is_in_force(adults_born_until: date) -> ColumnElement[bool]:
    """Return the condition for guardianships of the patient of a row of PATIENTS: they end when an adult has an account."""
    return PATIENTS.c.has_account.is_(False) | (PATIENTS.c.born_on > adults_born_until)


def _has_grown_up(adults_born_until: date) -> ColumnElement[bool]:
    """Return the condition for patients whose guardianships are not in force. An unknown date of birth is not that of a minor."""
    return PATIENTS.c.has_account & (PATIENTS.c.born_on.is_(None) | (PATIENTS.c.born_on <= adults_born_until))


def _dependants_of(guardian_id: UUID) -> Select[Any]:
    """Return the query of a guardian's dependants, with the columns in the order of Dependant's fields."""
    columns = (PATIENTS.c.id, PATIENTS.c.full_name, PATIENTS.c.born_on, GUARDIANS.c.relationship)
    dependants = select(*columns).join(GUARDIANS, GUARDIANS.c.dependant_id == PATIENTS.c.id)
    return dependants.where(GUARDIANS.c.guardian_id == guardian_id)


async def _list_dependants(
    connection: AsyncConnection, guardian_id: UUID, adults_born_until: date, limit: int, after: SortKey
) -> list[Dependant]:
    query = _dependants_of(guardian_id).where(is_in_force(adults_born_until)).order_by(GUARDIANS.c.dependant_id).limit(limit)
    if after is not None:
        query = query.where(rows_after((GUARDIANS.c.dependant_id,), parse_sort_key(after, UUID)))
    return [Dependant(*row) for row in await connection.execute(query)]


async def _list_guardians(connection: AsyncConnection, dependant_id: UUID, adults_born_until: date) -> list[Guardian]:
    guardian = PATIENTS.alias("guardian")
    query = (
        select(guardian.c.id, guardian.c.full_name, GUARDIANS.c.relationship)
        .join(GUARDIANS, GUARDIANS.c.guardian_id == guardian.c.id)
        .join(PATIENTS, PATIENTS.c.id == GUARDIANS.c.dependant_id)
        .where(PATIENTS.c.id == dependant_id, is_in_force(adults_born_until))
        .order_by(guardian.c.id)
    )
    return [Guardian(*row) for row in await connection.execute(query)]
