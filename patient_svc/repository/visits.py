"""Visits and rebuilds of the booking history in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update

from patient_svc.domain.rebuilds import HistoryRebuild, RebuildPhase
from patient_svc.domain.visits import HistoryVisit, PatientVisit, VisitFilter
from patient_svc.ports import SortKey
from patient_svc.repository.tables import HISTORY_REBUILDS, INFRASTRUCTURE, PATIENTS, VISITS
from shared.contracts.appointments import AppointmentStatus
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.cursors import parse_instant_and_id
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.retry import TransactionAborted
from shared.kit.sql import Database, insert_if_absent

INSERT_VISIT = insert(VISITS)
HISTORY_COLUMNS = [VISITS.c[name] for name in ("appointment_id", "status", "starts_at", "ends_at", "time_zone", "service_id", "doctor_id")]
IS_INCOMPLETE = VISITS.c.time_zone.is_(None)
"""The condition for visits that were recorded before 0.2.0: their times are unknown."""
SELECT_REBUILD_START = select(func.max(HISTORY_REBUILDS.c.started_at)).where(HISTORY_REBUILDS.c.finished_at.is_(None))


class VisitWrites(SqlTransaction):
    """The part of SqlPatientTransaction that reads and writes visits and rebuilds."""

    async def save_visit(self, visit: PatientVisit) -> None:
        successors = await self._lock_successors([visit])
        row = asdict(visit) | {"patient_id": successors.get(visit.patient_id, visit.patient_id), "stored_at": self.now()}
        if not await insert_if_absent(self.connection, INSERT_VISIT, row):
            is_same, is_older = VISITS.c.appointment_id == visit.appointment_id, VISITS.c.version < visit.version
            updated = (await self.connection.execute(update(VISITS).where(is_same, is_older).values(row))).rowcount
            if not updated and (started_at := await self.connection.scalar(SELECT_REBUILD_START)):
                is_doubtful = is_older | _is_stored_before(started_at)
                await self.connection.execute(update(VISITS).where(is_same, is_doubtful).values(row))

    async def save_visits(self, visits: Sequence[PatientVisit], *, rebuild_started_at: datetime) -> None:
        successors = await self._lock_successors(visits)
        visits = [replace(visit, patient_id=successors.get(visit.patient_id, visit.patient_id)) for visit in visits]
        listed = VISITS.c.appointment_id.in_([visit.appointment_id for visit in visits])
        is_before_rebuild = _is_stored_before(rebuild_started_at).label("is_before_rebuild")
        stored_versions = select(VISITS.c.appointment_id, VISITS.c.version, is_before_rebuild).where(listed)
        stored = {row.appointment_id: row for row in await self.connection.execute(stored_versions.with_for_update())}
        added: list[Mapping[str, Any]] = [
            asdict(visit) | {"stored_at": self.now()} for visit in visits if visit.appointment_id not in stored
        ]
        if added and not await insert_if_absent(self.connection, INSERT_VISIT, added):
            raise TransactionAborted  # an event has inserted one of them meanwhile
        for visit in visits:
            row = stored.get(visit.appointment_id)
            if row is not None and (row.version <= visit.version or row.is_before_rebuild):
                await self.connection.execute(update(VISITS).where(VISITS.c.appointment_id == visit.appointment_id).values(asdict(visit)))
        await self.connection.execute(update(VISITS).where(listed).values(stored_at=self.now()))

    async def delete_visits(self, ids: Collection[UUID], *, stored_before: datetime) -> int:
        deleted = delete(VISITS).where(VISITS.c.appointment_id.in_(ids), _is_stored_before(stored_before))
        return (await self.connection.execute(deleted)).rowcount

    async def list_visits(self, patient_id: UUID, wanted: VisitFilter, *, limit: int, after: SortKey) -> list[HistoryVisit]:
        order = (VISITS.c.starts_at, VISITS.c.appointment_id)
        query = select(*HISTORY_COLUMNS).where(VISITS.c.patient_id == patient_id, ~IS_INCOMPLETE, *_conditions(wanted))
        if after is not None:
            query = query.where(rows_after(order, parse_instant_and_id(after), descending=wanted.is_descending))
        query = query.order_by(*(column.desc() if wanted.is_descending else column for column in order)).limit(limit)
        return [_visit_from_row(row) for row in await self.connection.execute(query)]

    async def _lock_successors(self, visits: Sequence[PatientVisit]) -> dict[UUID, UUID]:
        """Return into whom patients of visits were merged. All are locked, so that none is merged before the visits are stored."""
        ids = {visit.patient_id for visit in visits}
        query = select(PATIENTS.c.id, PATIENTS.c.merged_into).where(PATIENTS.c.id.in_(ids)).order_by(PATIENTS.c.id)
        rows = await self.connection.execute(query.with_for_update(read=True))
        return {row.id: row.merged_into for row in rows if row.merged_into is not None}

    async def insert_rebuild(self, rebuild: HistoryRebuild) -> None:
        await self.connection.execute(insert(HISTORY_REBUILDS).values(asdict(rebuild)))

    async def update_rebuild(self, before: HistoryRebuild, after: HistoryRebuild) -> bool:
        is_unchanged = HISTORY_REBUILDS.c.id == before.id, HISTORY_REBUILDS.c.steps == before.steps
        return bool((await self.connection.execute(update(HISTORY_REBUILDS).where(*is_unchanged).values(asdict(after)))).rowcount)


class VisitReads:
    """The part of SqlPatientStore that reads visits and rebuilds."""

    __slots__ = ()
    database: Database

    async def list_visits_stored_before(self, instant: datetime, *, limit: int, after: UUID | None) -> list[UUID]:
        query = select(VISITS.c.appointment_id).where(_is_stored_before(instant)).order_by(VISITS.c.appointment_id).limit(limit)
        if after is not None:
            query = query.where(VISITS.c.appointment_id > after)
        async with self.database.read() as connection:
            return list(await connection.scalars(query))

    async def delete_ended_visits(self, before: datetime, limit: int) -> int:
        oldest = select(VISITS.c.appointment_id).where(VISITS.c.ends_at < before).order_by(VISITS.c.ends_at, VISITS.c.appointment_id)
        async with self.database.write() as connection:
            ids = list(await connection.scalars(oldest.limit(limit)))
            if not ids:
                return 0
            is_over = VISITS.c.appointment_id.in_(ids) & (VISITS.c.ends_at < before)
            return (await connection.execute(delete(VISITS).where(is_over))).rowcount

    async def find_open_rebuild(self) -> HistoryRebuild | None:
        is_open = HISTORY_REBUILDS.c.finished_at.is_(None)
        query = select(HISTORY_REBUILDS).where(is_open).order_by(HISTORY_REBUILDS.c.requested_at, HISTORY_REBUILDS.c.id).limit(1)
        return await self._find_rebuild(query)

    async def find_rebuild(self, rebuild_id: UUID) -> HistoryRebuild | None:
        return await self._find_rebuild(select(HISTORY_REBUILDS).where(HISTORY_REBUILDS.c.id == rebuild_id))

    async def _find_rebuild(self, query: Select[Any]) -> HistoryRebuild | None:
        async with self.database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return HistoryRebuild(**{**row._mapping, "phase": RebuildPhase(row.phase)}) if row else None


@dataclass(frozen=True, slots=True)
class SqlRebuildStore(VisitReads):
    """Implements RebuildStore for the command line, which needs no keys of medical histories."""

    database: Database
    now: Clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[VisitWrites]:
        async with self.database.write() as connection:
            yield VisitWrites(connection, INFRASTRUCTURE, Service.PATIENT, self.now)


def _is_stored_before(instant: datetime) -> ColumnElement[bool]:
    return VISITS.c.stored_at.is_(None) | (VISITS.c.stored_at < instant)


def _conditions(wanted: VisitFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.statuses:
        conditions.append(VISITS.c.status.in_(wanted.statuses))
    if wanted.begins is not None:
        conditions.append(VISITS.c.starts_at >= wanted.begins)
    if wanted.ends is not None:
        conditions.append(VISITS.c.starts_at < wanted.ends)
    return conditions


def _visit_from_row(row: Any) -> HistoryVisit:
    return HistoryVisit(**{**row._mapping, "status": AppointmentStatus(row.status)})
