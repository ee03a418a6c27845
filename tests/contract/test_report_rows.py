"""How many rows a report reads in MariaDB: those of its period, however many visits there are before and after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_svc.domain.report_figures import ReportGroup
from admin_svc.ports.reports import OfferedMinutes
from admin_svc.repository.report_visits import SqlReportStore
from admin_svc.repository.tables import REPORT_VISITS, VISIT_REMINDERS
from admin_svc.usecases.report_names import ReportNames
from admin_svc.usecases.reports import ReportRequest, Reports
from shared.contracts.availability import ServiceAvailability
from shared.contracts.clinic import ClinicProfile
from shared.contracts.names import FoundNames
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.contract.test_search_rows import rows_read
from tests.running import NOON

IN_PERIOD, FEW, MANY = 100, 500, 10_000
BEGINS, ENDS = NOON, NOON + timedelta(days=30)
REPORTS = {
    "utilisation by doctor": ("utilisation", ReportGroup.DOCTOR),
    "utilisation by hour": ("utilisation", ReportGroup.HOUR),
    "no-shows by lead time": ("no_shows", ReportGroup.LEAD_TIME),
    "no-shows by reminder": ("no_shows", ReportGroup.REMINDER),
    "bookings by day": ("bookings", ReportGroup.DAY),
    "bookings by patient": ("bookings", ReportGroup.PATIENT),
    "lead times by service": ("lead_times", ReportGroup.SERVICE),
}


class CountedReports:
    """The reports on a database, which count the rows that they read."""

    def __init__(self, database: Database) -> None:
        self.opened, self.rows = database, 0
        store = SqlReportStore(SimpleNamespace(read=self.read), lambda: NOON)  # type: ignore[arg-type]
        self.reports = Reports(store, NoOfferedTime(), ReportNames(Nameless(), lambda: NOON), lambda: NOON, ClinicProfile)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self.opened.read() as connection:
            before = await rows_read(connection)
            yield connection
            self.rows += await rows_read(connection) - before

    async def count(self, name: str) -> tuple[Any, int]:
        """Return the rows of a report, and how many rows of the database were read for it."""
        self.rows, (method, group) = 0, REPORTS[name]
        report = await getattr(self.reports, method)(ReportRequest(BEGINS, ENDS, group))
        return report.rows, self.rows


class NoOfferedTime:
    """Implements AvailabilityClient: no doctor offers time."""

    async def list_offered(self, _period: Any, _group: ReportGroup) -> OfferedMinutes:
        return OfferedMinutes([])

    async def list_next_available(self, _count: int) -> list[ServiceAvailability]:
        return []


class Nameless:
    """Implements NameClient: nothing has a name."""

    async def find(self, _doctor_ids: Any, _service_ids: Any) -> FoundNames:
        return FoundNames(doctors=[], services=[])


def a_row(number: int) -> dict[str, Any]:
    """Return a visit: the first IN_PERIOD are in the period, the others before and after it. Those from FEW on have other patients."""
    outside = timedelta(days=31 + number % 900) * (1 if number % 2 else -1)
    return {
        "appointment_id": UUID(int=number + 1),
        "version": 1,
        "doctor_id": UUID(int=number % 7 + 1),
        "service_id": UUID(int=number % 5 + 1),
        "patient_id": UUID(int=number // FEW * FEW + number % 50 + 1),
        "status": ("completed", "missed", "cancelled", "booked")[number % 4],
        "starts_at": BEGINS + (timedelta(hours=7 * number) if number < IN_PERIOD else outside),
        "minutes": 30,
        "is_group": number % 6 == 0,
        "channel": "patient",
        "lead_days": number % 40,
        "is_confirmed": number % 3 == 0,
        "stored_at": NOON,
    }


async def insert_visits(database: Database, first: int, stop: int) -> None:
    """Insert visits, and a reminder of every third."""
    rows = list(map(a_row, range(first, stop)))
    reminders = [{"appointment_id": row["appointment_id"], "starts_at": row["starts_at"], "sent_at": NOON} for row in rows[::3]]
    async with database.write() as connection:
        for table, values in ((REPORT_VISITS, rows), (VISIT_REMINDERS, reminders)):
            for start in range(0, len(values), 2000):
                await connection.execute(sa.insert(table), values[start : start + 2000])
        await connection.execute(sa.text("ANALYZE TABLE report_visits, visit_reminders"))


@pytest.mark.needs_servers("MYSQL")
async def test_a_report_reads_no_more_rows_among_twenty_times_as_many_visits(mysql_url: str) -> None:
    migrate("admin_svc", mysql_url)
    async with Database(mysql_url) as database:
        reports = CountedReports(database)
        await insert_visits(database, 0, FEW)
        few = {name: await reports.count(name) for name in REPORTS}
        await insert_visits(database, FEW, MANY)
        many = {name: await reports.count(name) for name in REPORTS}
        assert {name: rows for name, (rows, _) in many.items()} == {name: rows for name, (rows, _) in few.items()}
        assert all(rows for rows, _ in many.values())
        few_read, many_read = ({name: read for name, (_, read) in counted.items()} for counted in (few, many))
        assert all(many_read[name] <= few_read[name] for name in REPORTS), (few_read, many_read)
        assert all(read <= 30 * IN_PERIOD < MANY for read in many_read.values()), many_read
