"""Erasing patients, in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Delete, Select, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain.erasures import Erasure, ErasureReason, ErasureReport, ReportedErasure
from patient_svc.ports import SortKey
from patient_svc.repository.guardians import is_in_force
from patient_svc.repository.tables import (
    BREAK_GLASS,
    ERASURE_REPORTS,
    ERASURES,
    GUARDIANS,
    IDENTIFIERS,
    MEDICAL_ENTRIES,
    MEDICAL_VERSIONS,
    MERGES,
    PATIENTS,
    RECORD_KEYS,
    SEARCH_KEYS,
    VISITS,
)
from shared.contracts.identity import Service
from shared.kit.cursors import parse_instant_and_id
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.retry import TransactionAborted
from shared.kit.sql import Database, insert_if_absent

SORT_COLUMNS = (ERASURES.c.requested_at, ERASURES.c.id)


class ErasureWrites(SqlTransaction):
    """The part of SqlPatientTransaction that erases patients."""

    async def list_sole_dependants(self, guardian_id: UUID, *, adults_born_until: date) -> Sequence[UUID]:
        ids = await self.list_dependant_ids(guardian_id)
        locked = select(PATIENTS.c.id, is_in_force(adults_born_until)).where(PATIENTS.c.id.in_(ids)).order_by(PATIENTS.c.id)
        rows = (await self.connection.execute(locked.with_for_update())).all() if ids else []
        in_force = [dependant_id for dependant_id, is_acting in rows if is_acting]
        is_other = GUARDIANS.c.dependant_id.in_(in_force) & (GUARDIANS.c.guardian_id != guardian_id)
        is_acting_guardian = (PATIENTS.c.id == GUARDIANS.c.guardian_id) & PATIENTS.c.active
        others = select(GUARDIANS.c.dependant_id).join(PATIENTS, is_acting_guardian).where(is_other)
        with_others = set(await self.connection.scalars(others)) if in_force else set()
        return [dependant_id for dependant_id in in_force if dependant_id not in with_others]

    async def list_dependant_ids(self, guardian_id: UUID) -> Sequence[UUID]:
        query = select(GUARDIANS.c.dependant_id).where(GUARDIANS.c.guardian_id == guardian_id).order_by(GUARDIANS.c.dependant_id)
        return list(await self.connection.scalars(query))

    async def list_merged_into(self, patient_id: UUID) -> Sequence[UUID]:
        return list(await self.connection.scalars(merged_into(patient_id)))

    async def lock_merged_into(self, patient_id: UUID) -> Sequence[UUID]:
        return list(await self.connection.scalars(merged_into(patient_id).with_for_update()))

    async def has_expired(self, patient_id: UUID, before: datetime) -> bool:
        query = select(PATIENTS.c.id).where(PATIENTS.c.id == patient_id, *has_expired(before))
        return await self.connection.scalar(query) is not None

    async def delete_patient(self, patient_id: UUID) -> Mapping[str, int]:
        return {kind: (await self.connection.execute(statement)).rowcount for kind, statement in deletions(patient_id).items()}

    async def find_erasure_of(self, patient_id: UUID) -> Erasure | None:
        return await _find_erasure(self.connection, select(ERASURES).where(ERASURES.c.patient_id == patient_id))

    async def is_erased(self, patient_id: UUID) -> bool:
        return await self.find_erasure_of(patient_id) is not None

    async def lock_erasure(self, erasure_id: UUID) -> Erasure | None:
        return await _find_erasure(self.connection, select(ERASURES).where(ERASURES.c.id == erasure_id).with_for_update())

    async def insert_erasure(self, erasure: Erasure) -> None:
        if not await insert_if_absent(self.connection, insert(ERASURES).values(asdict(erasure))):
            raise TransactionAborted

    async def update_erasure(self, erasure: Erasure) -> None:
        await self.connection.execute(update(ERASURES).where(ERASURES.c.id == erasure.id).values(asdict(erasure)))

    async def list_reporting_services(self, erasure: Erasure) -> list[Service]:
        is_of_pass = (ERASURE_REPORTS.c.erasure_id == erasure.id) & (ERASURE_REPORTS.c.pass_number == erasure.pass_number)
        return [Service(name) for name in await self.connection.scalars(select(ERASURE_REPORTS.c.service).where(is_of_pass))]

    async def insert_erasure_report(self, erasure_id: UUID, report: ErasureReport) -> None:
        await insert_if_absent(self.connection, insert(ERASURE_REPORTS).values(asdict(report) | {"erasure_id": erasure_id}))

    async def list_erasures(self, *, limit: int, after: SortKey) -> list[ReportedErasure]:
        rows = (await self.connection.execute(erasures_after(limit, after))).all()
        reports: dict[UUID, list[ErasureReport]] = {row.id: [] for row in rows}
        query = select(ERASURE_REPORTS).where(ERASURE_REPORTS.c.erasure_id.in_(reports))
        by_arrival = query.order_by(ERASURE_REPORTS.c.reported_at, ERASURE_REPORTS.c.service)
        for row in await self.connection.execute(by_arrival) if rows else ():
            report = ErasureReport(Service(row.service), row.pass_number, row.reported_at, row.removed)
            reports[row.erasure_id].append(report)
        return [ReportedErasure(erasure_from_row(row), reports[row.id]) for row in rows]


class ErasureReads:
    """The part of SqlPatientStore that finds what the jobs of erasures do next."""

    __slots__ = ()
    database: Database

    async def list_open_erasures(self, limit: int) -> list[UUID]:
        is_open = ERASURES.c.completed_at.is_(None)
        query = select(ERASURES.c.id).where(is_open).order_by(ERASURES.c.published_at, ERASURES.c.id).limit(limit)
        async with self.database.read() as connection:
            return list(await connection.scalars(query))

    async def list_expired_patients(self, before: datetime, limit: int) -> list[UUID]:
        query = select(PATIENTS.c.id).where(*has_expired(before)).order_by(PATIENTS.c.changed_at, PATIENTS.c.id).limit(limit)
        async with self.database.read() as connection:
            return list(await connection.scalars(query))


def merged_into(patient_id: UUID) -> Select[tuple[UUID]]:
    """Return the query of the ids of patients who were merged into a patient, in order."""
    return select(PATIENTS.c.id).where(PATIENTS.c.merged_into == patient_id).order_by(PATIENTS.c.id)


def deletions(patient_id: UUID) -> dict[str, Delete]:
    """Return the statements that delete what is stored of a patient, by what they delete. The versions come before their entries."""
    entries = select(MEDICAL_ENTRIES.c.id).where(MEDICAL_ENTRIES.c.patient_id == patient_id)
    is_guardianship = or_(GUARDIANS.c.guardian_id == patient_id, GUARDIANS.c.dependant_id == patient_id)
    return {
        "record_keys": delete(RECORD_KEYS).where(RECORD_KEYS.c.patient_id == patient_id),
        "medical_versions": delete(MEDICAL_VERSIONS).where(MEDICAL_VERSIONS.c.entry_id.in_(entries)),
        "medical_entries": delete(MEDICAL_ENTRIES).where(MEDICAL_ENTRIES.c.patient_id == patient_id),
        "break_glass_reasons": delete(BREAK_GLASS).where(BREAK_GLASS.c.patient_id == patient_id),
        "guardianships": delete(GUARDIANS).where(is_guardianship),
        "identifiers": delete(IDENTIFIERS).where(IDENTIFIERS.c.patient_id == patient_id),
        "search_keys": delete(SEARCH_KEYS).where(SEARCH_KEYS.c.patient_id == patient_id),
        "merges": delete(MERGES).where(MERGES.c.patient_id == patient_id),
        "profiles": delete(PATIENTS).where(PATIENTS.c.id == patient_id),
    }


def has_expired(before: datetime) -> list[ColumnElement[bool]]:
    """Return the conditions for patients of whom nothing has changed since `before`, as ErasureStore says."""
    of_patient = VISITS.c.patient_id == PATIENTS.c.id
    recent_visit = exists().where(of_patient, or_(VISITS.c.ends_at.is_(None), VISITS.c.ends_at >= before))
    recent_entry = exists().where(
        MEDICAL_ENTRIES.c.patient_id == PATIENTS.c.id,
        MEDICAL_VERSIONS.c.entry_id == MEDICAL_ENTRIES.c.id,
        MEDICAL_VERSIONS.c.recorded_at >= before,
    )
    acts_for_others = exists().where(GUARDIANS.c.guardian_id == PATIENTS.c.id)
    guardian = PATIENTS.alias("guardian")
    has_active_guardian = exists().where(
        GUARDIANS.c.dependant_id == PATIENTS.c.id, guardian.c.id == GUARDIANS.c.guardian_id, guardian.c.has_account, guardian.c.active
    )
    has_active_account = PATIENTS.c.has_account & PATIENTS.c.active
    is_current = PATIENTS.c.merged_into.is_(None)
    was_erased = exists().where(ERASURES.c.patient_id == PATIENTS.c.id)  # an id is erased once; such a row would be listed in every run
    is_in_use = or_(has_active_account, recent_visit, recent_entry, acts_for_others, has_active_guardian)
    return [PATIENTS.c.changed_at < before, is_current, ~is_in_use, ~was_erased]


def erasures_after(limit: int, after: SortKey) -> Select[Any]:
    """Return the query of a page of erasures, the newest first. Raise BadCursor."""
    query = select(ERASURES).order_by(*(column.desc() for column in SORT_COLUMNS)).limit(limit)
    if after is None:
        return query
    requested_at, erasure_id = parse_instant_and_id(after)
    return query.where(rows_after(SORT_COLUMNS, (requested_at, erasure_id), descending=True))


def erasure_from_row(row: Any) -> Erasure:
    """Return the erasure of a row of ERASURES."""
    return Erasure(**{**row._mapping, "reason": ErasureReason(row.reason)})


async def _find_erasure(connection: AsyncConnection, query: Select[Any]) -> Erasure | None:
    row = (await connection.execute(query)).one_or_none()
    return erasure_from_row(row) if row else None
