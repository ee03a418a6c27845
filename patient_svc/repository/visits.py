"""Visits and rebuilds of the booking history in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select

from patient_svc.domain.visits import HistoryVisit, PatientVisit, VisitFilter
from patient_svc.ports import SortKey
from patient_svc.repository.tables import HISTORY_REBUILDS, INFRASTRUCTURE, PATIENTS, VISITS
from shared.contracts.appointments import AppointmentStatus
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.cursors import parse_instant_and_id
from shared.kit.keyset_pagination import rows_after
from shared.kit.sql import Database
from shared.kit.sql_rebuilds import ReadModelTable, RebuildReads, RebuildWrites

HISTORY_COLUMNS = [VISITS.c[name] for name in ("appointment_id", "status", "starts_at", "ends_at", "time_zone", "service_id", "doctor_id")]
BOOKING_HISTORY = ReadModelTable(VISITS, "appointment_id", HISTORY_REBUILDS)
IS_INCOMPLETE = VISITS.c.time_zone.is_(None)
"""The condition for visits that were recorded before 0.2.0: their times are unknown."""


class VisitWrites(RebuildWrites):
    """The part of SqlPatientTransaction that reads and writes visits and rebuilds."""

    read_model = BOOKING_HISTORY

    async def save_visit(self, visit: PatientVisit) -> None:
        successors = await self._lock_successors([visit])
        await BOOKING_HISTORY.save_row(self.connection, self._row_of(visit, successors))

    async def save_rows(self, rows: Sequence[PatientVisit], *, rebuild_started_at: datetime) -> None:
        successors = await self._lock_successors(rows)
        await BOOKING_HISTORY.save_rows(self.connection, [self._row_of(visit, successors) for visit in rows], rebuild_started_at)

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

    def _row_of(self, visit: PatientVisit, successors: Mapping[UUID, UUID]) -> dict[str, Any]:
        return asdict(visit) | {"patient_id": successors.get(visit.patient_id, visit.patient_id), "stored_at": self.now()}


class VisitReads(RebuildReads):
    """The part of SqlPatientStore that reads visits and rebuilds."""

    __slots__ = ()
    read_model = BOOKING_HISTORY

    async def delete_ended_visits(self, before: datetime, limit: int) -> int:
        oldest = select(VISITS.c.appointment_id).where(VISITS.c.ends_at < before).order_by(VISITS.c.ends_at, VISITS.c.appointment_id)
        async with self.database.write() as connection:
            ids = list(await connection.scalars(oldest.limit(limit)))
            if not ids:
                return 0
            is_over = VISITS.c.appointment_id.in_(ids) & (VISITS.c.ends_at < before)
            return (await connection.execute(delete(VISITS).where(is_over))).rowcount


@dataclass(frozen=True, slots=True)
class SqlRebuildStore(VisitReads):
    """Implements RebuildStore for the command line, which needs no keys of medical histories."""

    database: Database
    now: Clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[VisitWrites]:
        async with self.database.write() as connection:
            yield VisitWrites(connection, INFRASTRUCTURE, Service.PATIENT, self.now)


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
