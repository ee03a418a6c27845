"""Compares what reports cost with many appointments and with few: `.venv/bin/python -m bench.reports`.

Two databases of admin-service on MariaDB have 10,000 and 1,000,000 appointments. Both have the same 2,000 in one month, about which all
reports are asked; the others lie in the years before and after it. Reports of both databases take turns, each begins every other round, and
the shortest times of each are compared, after some rounds that only fill caches. Arguments: the number of rounds, and that of the many
appointments. `tests/contract/test_report_rows.py` counts the rows that the server reads, which does not depend on the machine.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from admin_svc.domain.report_figures import ReportGroup
from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.ports.reports import OfferedMinutes
from admin_svc.repository.report_visits import SqlReportStore
from admin_svc.repository.tables import REPORT_VISITS
from admin_svc.usecases.report_names import ReportNames
from admin_svc.usecases.reports import ReportRequest, Reports
from bench.databases import create_mysql_database
from shared.contracts.availability import ServiceAvailability
from shared.contracts.clinic import ClinicProfile
from shared.contracts.names import FoundNames
from shared.kit.migrations import migrate
from shared.kit.sql import Database

BEGINS, ENDS = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
FEW, MANY, IN_PERIOD, BATCH = 10_000, 1_000_000, 2_000, 1_000
YEARS_AROUND = timedelta(days=3650)
PATIENTS_PER_VISITS = 5
MOST, WARM_UP = 1.5, 3
STATUSES = ("completed",) * 8 + ("missed", "cancelled")
REPORTS: dict[str, tuple[str, ReportGroup]] = {
    "utilisation by doctor": ("utilisation", ReportGroup.DOCTOR),
    "utilisation by hour": ("utilisation", ReportGroup.HOUR),
    "no-shows by service": ("no_shows", ReportGroup.SERVICE),
    "no-shows by reminder": ("no_shows", ReportGroup.REMINDER),
    "bookings by day": ("bookings", ReportGroup.DAY),
    "lead times by doctor": ("lead_times", ReportGroup.DOCTOR),
}


class NoCalendar:
    """Implements AvailabilityClient: no doctor offers time. Only what the database does is measured."""

    async def list_offered(self, _period: ReportPeriod, _group: ReportGroup) -> OfferedMinutes:
        """Return nothing."""
        return OfferedMinutes([])

    async def list_next_available(self, _count: int) -> list[ServiceAvailability]:
        """Return nothing."""
        return []


class NoNames:
    """Implements NameClient: nothing has a name."""

    async def find(self, _doctor_ids: Sequence[UUID], _service_ids: Sequence[UUID]) -> FoundNames:
        """Return nothing."""
        return FoundNames(doctors=[], services=[])


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield the first `count` appointments of an endless clinic, the first IN_PERIOD of which are in the period.

    Each row depends on its number only, so that a database with more appointments has those of a smaller one, and others. The patients of
    the period are among the first FEW appointments, and in no later ones.
    """
    for number in range(count):
        rng = random.Random(number)
        if number < IN_PERIOD:
            starts_at = BEGINS + (ENDS - BEGINS) * rng.random()
        else:
            away = YEARS_AROUND * rng.random()
            starts_at = rng.choice([BEGINS - away, ENDS + away])
        yield {
            "appointment_id": UUID(int=number + 1),
            "version": 2,
            "doctor_id": UUID(int=rng.randrange(30) + 1),
            "service_id": UUID(int=rng.randrange(20) + 1),
            "patient_id": UUID(int=number // FEW * FEW + rng.randrange(FEW // PATIENTS_PER_VISITS) + 1),
            "status": rng.choice(STATUSES),
            "starts_at": starts_at - timedelta(minutes=starts_at.minute % 5, seconds=starts_at.second, microseconds=starts_at.microsecond),
            "minutes": 30,
            "is_group": rng.random() < 0.1,
            "channel": rng.choice(["patient", "reception"]),
            "lead_days": rng.randrange(60),
            "is_confirmed": rng.random() < 0.5,
            "stored_at": NOW,
        }


async def open_reports(stack: AsyncExitStack, count: int) -> Reports:
    """Return the reports of a new database with so many appointments."""
    url = await stack.enter_async_context(create_mysql_database())
    migrate("admin_svc", url)
    database = await stack.enter_async_context(Database(url))
    batch: list[dict[str, Any]] = []
    for row in rows(count):
        batch.append(row)
        if len(batch) == BATCH:
            await _insert(database, batch)
            batch = []
    if batch:
        await _insert(database, batch)
    async with database.write() as connection:
        await connection.execute(sa.text("ANALYZE TABLE report_visits"))
    return Reports(
        SqlReportStore(database, lambda: NOW),
        NoCalendar(),
        ReportNames(NoNames(), lambda: NOW),
        lambda: NOW,
        lambda: ClinicProfile(time_zone="Europe/Berlin"),
    )


async def _insert(database: Database, batch: list[dict[str, Any]]) -> None:
    async with database.write() as connection:
        await connection.execute(sa.insert(REPORT_VISITS), batch)


async def seconds_of(reports: Reports, name: str) -> float:
    """Return how long a report takes. Of many measurements the shortest says most: whatever else the machine does makes it longer."""
    method, group = REPORTS[name]
    read: Callable[[ReportRequest], Any] = getattr(reports, method)
    started = time.perf_counter()
    await read(ReportRequest(BEGINS, ENDS, group))
    return time.perf_counter() - started


async def main(rounds: int = 20, many_count: int = MANY) -> None:
    """Print a line for each report."""
    async with AsyncExitStack() as stack:
        few, many = await open_reports(stack, FEW), await open_reports(stack, many_count)
        for name in REPORTS:
            times: dict[int, list[float]] = {FEW: [], many_count: []}
            for number in range(rounds + WARM_UP):
                for count, reports in sorted([(FEW, few), (many_count, many)], reverse=number % 2 == 1, key=lambda pair: pair[0]):
                    times[count].append(await seconds_of(reports, name))
            few_ms, many_ms = (min(measured[WARM_UP:]) * 1000 for measured in times.values())
            verdict = "" if many_ms <= MOST * few_ms else f"  more than {MOST}"
            print(f"{name:24} {few_ms:8.1f} ms {many_ms:8.1f} ms  {many_ms / few_ms:5.2f}{verdict}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
