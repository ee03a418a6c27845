"""What ended longer ago than the clinic keeps it is deleted from the calendar; what is later, or still has its time, stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, func, insert, select, text, update

from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.repository.retention import ended_claims
from scheduling_svc.repository.tables import CLAIM_GRAINS, CLAIMS, CLOSURES, LEAVES, SEATS
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.retention import CalendarRetention
from shared.contracts.grains import grain_of
from shared.contracts.http import WeeklyWindow
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from shared.kit.batch_deletion import BATCH_SIZE
from shared.kit.ids import new_id
from tests.contract.grain_table import list_lanes
from tests.running import NOON, RunningService, clinic_settings
from tests.service.scheduling.clinic import DoctorService, a_clinic, release, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, a_doctor, a_service

GROUP = UUID(int=0x61)
HALF, DAY = timedelta(minutes=30), timedelta(days=1)
YEARS = 2
EVERY_DAY = [WeeklyWindow(weekday=day, start="09:00", end="17:00") for day in range(1, 8)]
SELF, ADMIN = bearer(Role.DOCTOR, DOCTOR), bearer(Role.ADMIN)
END = NINE + HALF
TWO_YEARS_AFTER_END = END.replace(year=END.year + YEARS)


async def test_the_years_that_an_admin_has_set_count_in_place_of_the_environment(tmp_path: Path) -> None:
    rules = DoctorService([a_doctor(services=[CHECKUP], weekly=EVERY_DAY)], [a_service(horizon_days=1000)])
    async with a_clinic(tmp_path, rules, clinic_settings=clinic_settings(retention={"visits_years": YEARS})) as clinic:
        await book(clinic, 1)
        await pass_time(clinic, TWO_YEARS_AFTER_END)
        assert await stored_ids(clinic) == {UUID(int=1)}
        await pass_time(clinic, TWO_YEARS_AFTER_END + timedelta(hours=1, minutes=5))
        assert await stored_ids(clinic) == set()


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    rules = DoctorService(
        [a_doctor(services=[CHECKUP, GROUP], weekly=EVERY_DAY)],
        [a_service(horizon_days=1000), a_service(id=GROUP, capacity=3, horizon_days=1000)],
    )
    async with a_clinic(tmp_path, rules, database_url=sql_url, keep_years=YEARS) as clinic:
        yield clinic


def patient(number: int) -> UUID:
    return UUID(int=0xAA00 + number)


def store_of(clinic: RunningService) -> SqlCalendarStore:
    store = clinic.app.state.use_cases[Reservations].store
    assert isinstance(store, SqlCalendarStore)
    return store


async def stored_ids(clinic: RunningService, table: Table = CLAIMS) -> set[UUID]:
    async with store_of(clinic).database.read() as connection:
        return set(await connection.scalars(select(table.c.claim_id if table is SEATS else table.c.id)))


async def pass_time(clinic: RunningService, now: datetime) -> None:
    clinic.clock.set(now)
    await clinic.run_until_idle()


async def book(clinic: RunningService, number: int, starts_at: datetime = NINE, **fields: Any) -> None:
    response = await reserve(clinic, number, patient_id=patient(number), starts_at=starts_at, **fields)
    assert response.status_code == 200, response.text


async def test_a_visit_is_deleted_by_the_job_when_its_years_are_over_and_not_before(clinic: RunningService) -> None:
    await book(clinic, 1)
    await book(clinic, 2, NINE + HALF)
    await book(clinic, 3, TWO_YEARS_AFTER_END.replace(hour=NINE.hour, minute=0) + 2 * DAY)
    ahead = {UUID(int=3)}
    await pass_time(clinic, TWO_YEARS_AFTER_END)
    assert await stored_ids(clinic) == {UUID(int=1), UUID(int=2)} | ahead

    await pass_time(clinic, TWO_YEARS_AFTER_END + timedelta(hours=1, minutes=5))

    lanes = await list_lanes(store_of(clinic))
    assert await stored_ids(clinic) == ahead
    assert {claim for taken in lanes.values() for claim in taken.values()} == ahead


async def test_seats_released_claims_holds_leaves_and_closures_are_deleted_too(clinic: RunningService) -> None:
    await book(clinic, 1, service_id=GROUP)
    await book(clinic, 2, service_id=GROUP)
    await book(clinic, 3, NINE + 2 * HALF)
    assert (await release(clinic, 3, 2)).status_code == 204
    assert (await release(clinic, 4, 1)).status_code == 204, "released before it had a time"
    hold = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": format_instant(NINE + 3 * HALF)}
    assert (await clinic.http.post("/holds", json=hold, headers=bearer(Role.PATIENT, patient(5)))).status_code == 201
    leave = {"starts_at": format_instant(NINE + DAY), "ends_at": format_instant(NINE + DAY + HALF), "reason": "Ill", "affected": []}
    assert (await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=leave, headers=SELF)).status_code == 201
    closure = {"from": format_instant(NINE + 2 * DAY), "to": format_instant(NINE + 2 * DAY + HALF), "reason": "Flooded"}
    assert (await clinic.http.post("/admin/closures", json=closure, headers=ADMIN)).status_code == 201
    await pass_time(clinic, NINE + 5 * DAY)
    assert [len(await stored_ids(clinic, table)) for table in (CLAIMS, SEATS, LEAVES, CLOSURES)] == [8, 2, 1, 1]

    await pass_time(clinic, TWO_YEARS_AFTER_END + 5 * DAY)

    assert [len(await stored_ids(clinic, table)) for table in (CLAIMS, SEATS, LEAVES, CLOSURES)] == [0, 0, 0, 0]


async def insert_claims(clinic: RunningService, count: int, ended_at: datetime, **changes: Any) -> None:
    """Insert archived visits."""
    end = grain_of(ended_at)
    row = {"kind": "reservation", "revision": 1, "live": True, "over": False, "archived": True, "doctor_id": DOCTOR, "service_id": CHECKUP}
    row |= {"visit_from": end - 6, "visit_to": end, "span_from": end - 6, "span_to": end, "changed_at": NOON}
    async with store_of(clinic).database.write() as connection:
        await connection.execute(insert(CLAIMS), [row | {"id": new_id(), "patient_id": new_id()} | changes for _ in range(count)])


async def test_a_stopped_run_goes_on_and_a_batch_is_bounded(clinic: RunningService) -> None:
    await insert_claims(clinic, BATCH_SIZE + 5, END)
    await insert_claims(clinic, 1, END + DAY)
    store, now = store_of(clinic), TWO_YEARS_AFTER_END + HALF
    assert await store.delete_ended_claims(END + HALF, 3) == 3
    assert await CalendarRetention(store, lambda: YEARS, lambda: now).delete_old() == BATCH_SIZE + 2
    assert len(await stored_ids(clinic)) == 1


async def test_a_claim_that_still_has_its_grains_stays_until_it_is_archived(clinic: RunningService) -> None:
    await book(clinic, 1)
    retention = CalendarRetention(store_of(clinic), lambda: YEARS, lambda: TWO_YEARS_AFTER_END + DAY)
    assert await retention.delete_old() == 0
    assert await stored_ids(clinic) == {UUID(int=1)}

    await pass_time(clinic, END + 2 * DAY)

    assert await retention.delete_old() == 1
    async with store_of(clinic).database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(CLAIM_GRAINS)) == 0


async def test_a_visit_whose_buffer_is_not_over_and_a_closure_that_is_not_settled_stay(clinic: RunningService) -> None:
    await insert_claims(clinic, 1, END, span_to=grain_of(END) + 4)
    closure = {"from": format_instant(NINE + 2 * DAY), "to": format_instant(NINE + 2 * DAY + HALF), "reason": "Flooded"}
    assert (await clinic.http.post("/admin/closures", json=closure, headers=ADMIN)).status_code == 201
    await clinic.run_until_idle()
    store = store_of(clinic)
    async with store.database.write() as connection:
        await connection.execute(update(CLOSURES).values(settled=False))
    assert await store.delete_ended_claims(END + timedelta(minutes=10), 10) == 0
    assert await store.delete_ended_blocks(NINE + 9 * DAY, 10) == 0


async def test_a_request_for_a_deleted_visit_is_answered_as_a_new_one(clinic: RunningService) -> None:
    await book(clinic, 1)
    now = TWO_YEARS_AFTER_END + DAY
    await pass_time(clinic, now)
    assert await stored_ids(clinic) == set()
    assert (await release(clinic, 1, 2)).status_code == 204
    await book(clinic, 1, now.replace(hour=NINE.hour, minute=0) + 2 * DAY, revision=3)
    assert {UUID(int=1)} == await stored_ids(clinic)


async def test_the_job_finds_old_claims_by_an_index(clinic: RunningService) -> None:
    await insert_claims(clinic, 2000, END + 90 * DAY)
    await insert_claims(clinic, 20, END)
    database = store_of(clinic).database
    async with database.write() as connection:
        await connection.execute(text("ANALYZE" if database.is_sqlite else "ANALYZE TABLE claims"))
    dialect = database._reader.dialect
    for query in ended_claims(END + DAY):
        statement = str(query.limit(BATCH_SIZE).compile(compile_kwargs={"literal_binds": True}, dialect=dialect))
        async with database.read() as connection:
            plan = [tuple(row) for row in await connection.execute(text(f"EXPLAIN {'QUERY PLAN' * database.is_sqlite} {statement}"))]
        assert (len(plan), "claims_to_archive" in str(plan[0])) == (1, True), plan
        assert "filesort" not in str(plan[0])
