"""The read model of the reports in SQL: visits, reminders that were sent, and daily measures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, func, insert, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_svc.domain.access_measures import AccessMeasure
from admin_svc.domain.report_figures import ReportGroup, VisitCount, VisitField
from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.domain.report_visits import PRECEDING, ReportVisit, VisitReminder
from admin_svc.repository.tables import ACCESS_MEASURES, INFRASTRUCTURE, REPORT_REBUILDS, REPORT_VISITS, VISIT_REMINDERS
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.sql import Database, insert_if_absent
from shared.kit.sql_rebuilds import ReadModelTable, RebuildReads, RebuildWrites

REPORT_MODEL = ReadModelTable(REPORT_VISITS, "appointment_id", REPORT_REBUILDS)
VISIT = REPORT_VISITS.c
EARLIER = REPORT_VISITS.alias("earlier")
INSERT_REMINDER, INSERT_MEASURES = insert(VISIT_REMINDERS), insert(ACCESS_MEASURES)
IS_REMINDED = exists().where(VISIT_REMINDERS.c.appointment_id == VISIT.appointment_id, VISIT_REMINDERS.c.starts_at == VISIT.starts_at)
IS_FIRST = ~exists().where(
    EARLIER.c.patient_id == VISIT.patient_id,
    EARLIER.c.starts_at <= VISIT.starts_at,
    EARLIER.c.status.in_(sorted(PRECEDING)),
    (EARLIER.c.starts_at < VISIT.starts_at) | (EARLIER.c.appointment_id < VISIT.appointment_id),
)
"""Whether the patient has no earlier visit with the clinic that takes or took place."""
FIELDS: Mapping[VisitField, ColumnElement[Any]] = {
    **{field: VISIT[field.value] for field in VisitField if field not in (VisitField.REMINDED, VisitField.FIRST)},
    VisitField.REMINDED: IS_REMINDED,
    VisitField.FIRST: IS_FIRST,
}


def counting_query(period: ReportPeriod, fields: Sequence[VisitField], is_group: bool | None) -> Select[Any]:
    """Return the query that counts visits by some fields. It reads a range of one index, and for `is_first` and `is_reminded` another."""
    columns = [FIELDS[field].label(field.value) for field in fields]
    query = select(*columns, func.count().label("visits")).where(VISIT.starts_at >= period.begins, VISIT.starts_at < period.ends)
    if is_group is not None:
        query = query.where(VISIT.is_group.is_(is_group))
    return query.group_by(*(literal_column(field.value) for field in fields))  # by their names, so that nothing is looked up twice


class ReportWrites(RebuildWrites):
    """The part of the transaction that writes the read model and its rebuilds."""

    read_model = REPORT_MODEL

    async def save_visit(self, visit: ReportVisit) -> None:
        await REPORT_MODEL.save_row(self.connection, self._row_of(visit))

    async def save_rows(self, rows: Sequence[ReportVisit], *, rebuild_started_at: datetime) -> None:
        await REPORT_MODEL.save_rows(self.connection, list(map(self._row_of, rows)), rebuild_started_at)

    async def save_reminder(self, reminder: VisitReminder) -> None:
        await insert_if_absent(self.connection, INSERT_REMINDER, asdict(reminder))

    async def save_measures(self, measures: Sequence[AccessMeasure]) -> None:
        if measures:
            await insert_if_absent(self.connection, INSERT_MEASURES, [_measure_row(measure) for measure in measures])

    def _row_of(self, visit: ReportVisit) -> dict[str, Any]:
        return asdict(visit) | {"stored_at": self.now()}


@dataclass(frozen=True, slots=True)
class SqlReportStore(RebuildReads):
    """Implements ReportStore, and RebuildStore for the read model."""

    read_model = REPORT_MODEL
    database: Database
    now: Clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[ReportWrites]:
        async with self.database.write() as connection:
            yield ReportWrites(connection, INFRASTRUCTURE, Service.ADMIN, self.now)

    async def count_visits(self, period: ReportPeriod, fields: Sequence[VisitField], *, is_group: bool | None = None) -> list[VisitCount]:
        async with self.database.read() as connection:
            rows = await connection.execute(counting_query(period, fields, is_group))
        return [VisitCount(dict(zip(fields, row, strict=False)), row.visits) for row in rows]

    async def average_third_next_days(self, period: ReportPeriod, group: ReportGroup) -> Mapping[str, float]:
        columns = ACCESS_MEASURES.c
        is_noted = columns.noted_at >= period.begins, columns.noted_at < period.ends, columns.dimension == group, columns.days.is_not(None)
        query = select(columns.key, func.sum(columns.days).label("total"), func.count().label("notes")).where(*is_noted)
        async with self.database.read() as connection:
            rows = await connection.execute(query.group_by(columns.key))
        return {row.key: round(int(row.total) / row.notes, 1) for row in rows}

    async def has_measures(self, noted_on: date) -> bool:
        query = select(ACCESS_MEASURES.c.noted_on).where(ACCESS_MEASURES.c.noted_on == noted_on).limit(1)
        async with self.database.read() as connection:
            return (await connection.scalar(query)) is not None

    async def delete_old_visits(self, before: datetime, limit: int) -> int:
        oldest = select(VISIT.appointment_id).where(VISIT.starts_at < before).order_by(VISIT.starts_at, VISIT.appointment_id).limit(limit)
        async with self.database.write() as connection:
            ids = list(await connection.scalars(oldest))
            return await _delete_visits(connection, ids, before) if ids else 0

    async def delete_old_measures(self, before: date, limit: int) -> int:
        columns = ACCESS_MEASURES.c
        oldest = select(columns.noted_on).where(columns.noted_on < before).order_by(columns.noted_on).limit(1)
        async with self.database.write() as connection:
            day = await connection.scalar(oldest)
            if day is None:
                return 0
            keys = select(columns.dimension, columns.key).where(columns.noted_on == day).limit(limit)
            rows = (await connection.execute(keys)).all()
            for row in rows:
                is_row = columns.noted_on == day, columns.dimension == row.dimension, columns.key == row.key
                await connection.execute(delete(ACCESS_MEASURES).where(*is_row))
            return len(rows)


async def _delete_visits(connection: AsyncConnection, ids: Sequence[Any], before: datetime) -> int:
    """Delete visits that still started before an instant, and the reminders of that time."""
    reminders = VISIT_REMINDERS.c
    await connection.execute(delete(VISIT_REMINDERS).where(reminders.appointment_id.in_(ids), reminders.starts_at < before))
    return (await connection.execute(delete(REPORT_VISITS).where(VISIT.appointment_id.in_(ids), VISIT.starts_at < before))).rowcount


def _measure_row(measure: AccessMeasure) -> dict[str, Any]:
    fields = asdict(measure)
    return fields | {"dimension": fields.pop("group")}
