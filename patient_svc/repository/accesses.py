"""The log of who read or changed what of a patient, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, insert, select, union_all

from patient_svc.domain.access import Access, AccessActor, LoggedAccess
from patient_svc.repository.tables import ACCESSES, PATIENTS
from shared.contracts.identity import Role
from shared.kit.cursors import parse_instant_and_id
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database

COLUMNS = ACCESSES.c
INSERT_ACCESS = insert(ACCESSES)
SORT_COLUMNS = (COLUMNS.at, COLUMNS.id)


class AccessWrites(SqlTransaction):
    """The part of SqlPatientTransaction that writes the log."""

    async def record_access(self, access: Access) -> None:
        await self.connection.execute(INSERT_ACCESS, asdict(access))
        await self.add_event(access.event())

    async def record_accesses(self, accesses: Sequence[Access]) -> None:
        if accesses:
            await self.connection.execute(INSERT_ACCESS, [asdict(access) for access in accesses])
            await self.add_events([access.event() for access in accesses])


class AccessReads:
    """The part of SqlPatientStore that reads the log, and deletes old lines."""

    __slots__ = ()
    database: Database

    async def list_accesses(self, patient_id: UUID, *, limit: int, after: tuple[str, ...] | None) -> list[LoggedAccess]:
        async with self.database.read() as connection:
            merged = await connection.scalars(select(PATIENTS.c.id).where(PATIENTS.c.merged_into == patient_id))
            return [access_from_row(row) for row in await connection.execute(accesses_of([patient_id, *merged], limit, after))]

    async def delete_accesses(self, before: datetime, limit: int) -> int:
        async with self.database.write() as connection:
            ids = list((await connection.execute(old_accesses(before, limit))).scalars())
            if not ids:
                return 0
            return (await connection.execute(delete(ACCESSES).where(COLUMNS.id.in_(ids)))).rowcount


def access_from_row(row: Any) -> LoggedAccess:
    """Return the line of a row of ACCESSES."""
    return LoggedAccess(row.id, row.at, AccessActor(row.actor_id, Role(row.actor_role)), row.action, row.relation, row.outcome)


def accesses_of(patient_ids: Collection[UUID], limit: int, after: tuple[str, ...] | None) -> Select[Any]:
    """Return the query of a page of the log of a patient, and of those merged into them, newest first. Raise BadCursor.

    Of several ids, the page is the newest of a page of each id, because the index has the lines of one id in this order.
    """
    pages = [_accesses_of_one(patient_id, limit, after) for patient_id in patient_ids]
    if len(pages) == 1:
        return pages[0]
    lines = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return select(lines).order_by(lines.c.at.desc(), lines.c.id.desc()).limit(limit)


def _accesses_of_one(patient_id: UUID, limit: int, after: tuple[str, ...] | None) -> Select[Any]:
    query = select(ACCESSES).where(COLUMNS.patient_id == patient_id).order_by(*(column.desc() for column in SORT_COLUMNS)).limit(limit)
    if after is None:
        return query
    at, line_id = parse_instant_and_id(after)
    return query.where(COLUMNS.at <= at, rows_after(SORT_COLUMNS, (at, line_id), descending=True))


def old_accesses(before: datetime, limit: int) -> Select[Any]:
    """Return the query of the ids of the oldest lines."""
    return select(COLUMNS.id).where(COLUMNS.at < before).order_by(*SORT_COLUMNS).limit(limit)
