"""notification-service deletes visits, with their recipients, and digests of long ago, on every SQL server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, insert, select, text

from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.old_visits import ended_visits
from notify_svc.repository.reminders import row_of_visit
from notify_svc.repository.tables import DIGESTS, EVENT_SEQUENCES, VISIT_RECIPIENTS, VISITS
from notify_svc.usecases.visit_retention import NotifiedVisitRetention
from shared.kit.batch_deletion import BATCH_SIZE
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON
from tests.unit.notify.test_reminders import a_visit

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
KEEP_DAYS = 400
LIMIT = NOON - KEEP_DAYS * DAY
GUARDIAN = UUID(int=0x71)


@pytest.fixture
async def database(sql_url: str) -> AsyncIterator[Database]:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        yield database


async def insert_visits(database: Database, *ends: datetime, **changes: Any) -> None:
    visits = [row_of_visit(a_visit(starts_at=end - timedelta(minutes=30), ends_at=end)) | changes for end in ends]
    rows = [row | {"appointment_id": UUID(int=number)} for number, row in enumerate(visits)]
    async with database.write() as connection:
        await connection.execute(insert(VISITS), rows)
        ids = [row["appointment_id"] for row in rows]
        await connection.execute(insert(VISIT_RECIPIENTS), [{"appointment_id": id_, "recipient_id": GUARDIAN} for id_ in ids])
        await connection.execute(insert(EVENT_SEQUENCES), [{"appointment_id": id_, "complete_until": 1, "ahead": []} for id_ in ids])


async def stored_ids(database: Database, table: Table) -> list[int]:
    async with database.read() as connection:
        return sorted(stored.int for stored in await connection.scalars(select(table.c.appointment_id)))


def retention(database: Database) -> NotifiedVisitRetention:
    return NotifiedVisitRetention(SqlNotificationStore(database, lambda: NOON), lambda: KEEP_DAYS, lambda: NOON)


async def test_visits_that_ended_before_the_days_of_the_setting_are_deleted_with_their_recipients(database: Database) -> None:
    await insert_visits(database, LIMIT - SECOND, LIMIT, NOON + DAY)
    assert await retention(database).delete_old() == 1
    assert [await stored_ids(database, table) for table in (VISITS, VISIT_RECIPIENTS, EVENT_SEQUENCES)] == [[1, 2]] * 3


async def test_visits_without_known_times_stay(database: Database) -> None:
    await insert_visits(database, LIMIT - DAY, status="unknown")
    assert await retention(database).delete_old() == 0


async def test_old_digests_are_deleted_in_batches(database: Database) -> None:
    first, days = LIMIT.date() - timedelta(days=BATCH_SIZE + 2), BATCH_SIZE + 5
    rows = [{"doctor_id": UUID(int=1), "date": first + timedelta(days=number), "decided_at": NOON} for number in range(days)]
    async with database.write() as connection:
        await connection.execute(insert(DIGESTS), rows)
    assert await retention(database).delete_old() == BATCH_SIZE + 2
    async with database.read() as connection:
        assert sorted(await connection.scalars(select(DIGESTS.c.date))) == [LIMIT.date() + timedelta(days=number) for number in range(3)]


async def test_a_stopped_run_goes_on_and_a_batch_is_bounded(database: Database) -> None:
    await insert_visits(database, *([LIMIT - DAY] * (BATCH_SIZE + 5)), NOON)
    assert await SqlNotificationStore(database, lambda: NOON).delete_ended_visits(LIMIT, 3) == 3
    assert await retention(database).delete_old() == BATCH_SIZE + 2
    assert await stored_ids(database, VISITS) == [BATCH_SIZE + 5]


async def test_old_visits_are_found_by_an_index(database: Database) -> None:
    await insert_visits(database, *([NOON] * 1000), *([LIMIT - DAY] * 20))
    async with database.write() as connection:
        await connection.execute(text("ANALYZE" if database.is_sqlite else "ANALYZE TABLE visits"))
    statement = ended_visits(LIMIT, 500).compile(compile_kwargs={"literal_binds": True}, dialect=database._reader.dialect)
    async with database.read() as connection:
        keyword = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        plan = str((await connection.execute(text(f"{keyword} {statement}".replace(":", r"\:")))).all())
    assert "visits_by_end" in plan
    assert "filesort" not in plan
