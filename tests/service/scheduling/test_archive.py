"""A day after it is over, time is archived: the grain table forgets it, and agendas, reservations and late requests do not notice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import insert, select, text

from scheduling_svc.domain.archive import ARCHIVE_AFTER
from scheduling_svc.repository import SqlCalendarStore, SqlCalendarTransaction
from scheduling_svc.repository.archive import due_claims
from scheduling_svc.repository.tables import CLAIM_GRAINS, CLAIMS
from scheduling_svc.usecases.archive import MAX_PAGES, PAGE_SIZE, Archive
from scheduling_svc.usecases.reservations import Reservations
from shared.contracts.events import AppointmentCheckedIn
from shared.contracts.grains import grain_of
from shared.contracts.http import Actor, WeeklyWindow
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from shared.kit.ids import new_id
from tests.contract.grain_table import Lanes, list_lanes
from tests.running import NOON, RunningService
from tests.service.scheduling.clinic import APPOINTMENTS, DoctorService, a_clinic, release, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, a_doctor, a_service

GROUP = UUID(int=0x61)
HALF, DAY = timedelta(minutes=30), timedelta(days=1)
SELF, ADMIN = bearer(Role.DOCTOR, DOCTOR), bearer(Role.ADMIN)
EVERY_DAY = [WeeklyWindow(weekday=day, start="09:00", end="17:00") for day in range(1, 8)]
OVER = NINE + 3 * DAY  # when all of the morning is archived


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    rules = DoctorService(
        [a_doctor(services=[CHECKUP, GROUP], weekly=EVERY_DAY), a_doctor(id=COLLEAGUE, weekly=EVERY_DAY)],
        [a_service(buffer_after_minutes=10), a_service(id=GROUP, capacity=3)],
    )
    async with a_clinic(tmp_path, rules, database_url=sql_url) as clinic:
        yield clinic


def patient(number: int) -> UUID:
    return UUID(int=0xAA00 + number)


PATIENTS = [bearer(Role.PATIENT, patient(number)) for number in (1, 2)]


def store_of(clinic: RunningService) -> SqlCalendarStore:
    store = clinic.app.state.use_cases[Reservations].store
    assert isinstance(store, SqlCalendarStore)
    return store


async def book(clinic: RunningService, number: int, start: datetime = NINE, **request: Any) -> httpx.Response:
    return await reserve(clinic, number, **{"patient_id": patient(number), "starts_at": start} | request)


async def lanes(clinic: RunningService) -> Lanes:
    return await list_lanes(store_of(clinic))


async def archived_ids(clinic: RunningService) -> set[UUID]:
    async with store_of(clinic).database.read() as connection:
        return set(await connection.scalars(select(CLAIMS.c.id).where(CLAIMS.c.archived)))


async def pass_time(clinic: RunningService, now: datetime = OVER) -> None:
    clinic.clock.set(now)
    await clinic.run_until_idle()


async def agenda(clinic: RunningService, headers: dict[str, str] = SELF) -> list[tuple[str, str, str]]:
    period = {"from": format_instant(NINE - HALF), "to": format_instant(NINE + 7 * DAY)}
    response = await clinic.http.get("/calendar", params=period, headers=headers)
    return [(item["kind"], item["starts_at"], item["ends_at"]) for item in response.json()["items"]]


async def test_a_visit_is_archived_a_day_after_its_end_with_its_buffer(clinic: RunningService) -> None:
    assert (await book(clinic, 1)).status_code == 200
    taken = await lanes(clinic)
    assert {person for person, _ in taken} == {DOCTOR, patient(1)}
    last_moment = NINE + HALF + timedelta(minutes=10) + ARCHIVE_AFTER
    await pass_time(clinic, last_moment)
    assert await lanes(clinic) == taken
    await pass_time(clinic, last_moment + timedelta(minutes=5))
    assert await lanes(clinic) == {}
    assert await archived_ids(clinic) == {UUID(int=1)}


async def test_what_is_archived_stays_in_agendas_and_as_a_live_reservation(clinic: RunningService) -> None:
    await book(clinic, 1)
    await book(clinic, 2, NINE + DAY, service_id=GROUP)
    before = [await agenda(clinic, headers) for headers in (SELF, *PATIENTS)]
    reservation = (await clinic.http.get(f"/internal/reservations/{UUID(int=1)}", headers=APPOINTMENTS)).json()
    await pass_time(clinic)
    after = [await agenda(clinic, headers) for headers in (SELF, *PATIENTS)]
    assert (len(await archived_ids(clinic)), await lanes(clinic)) == (3, {}), "two visits and a session"
    assert (before == after, len(after[0])) == (True, 2)
    assert (await clinic.http.get(f"/internal/reservations/{UUID(int=1)}", headers=APPOINTMENTS)).json() == reservation
    assert reservation["live"]


async def test_what_is_still_to_come_is_not_archived(clinic: RunningService) -> None:
    await book(clinic, 1, OVER + DAY)
    await book(clinic, 2, OVER - HALF)
    taken = await lanes(clinic)
    await pass_time(clinic)
    assert (await lanes(clinic), await archived_ids(clinic)) == (taken, set())
    assert (await book(clinic, 3, OVER + DAY)).json()["code"] == "slot_taken"


async def test_archived_time_cannot_be_booked(clinic: RunningService) -> None:
    await book(clinic, 1)
    await pass_time(clinic)
    refused = (await book(clinic, 2)).json()
    assert (refused["code"], "in_the_past" in {reason["code"] for reason in refused["reasons"]}) == ("not_bookable", True)


async def test_an_archived_claim_answers_late_requests_as_before(clinic: RunningService) -> None:
    """A copy of the booking, a new request for the same time (a mistaken check-in is undone), a late event, and a release."""
    await book(clinic, 1)
    await pass_time(clinic)
    assert (await book(clinic, 1)).json()["live"]
    assert (await book(clinic, 1, revision=2)).json()["revision"] == 2
    event: dict[str, Any] = {"appointment_id": UUID(int=1), "version": 9, "sequence": 0, "status": "checked_in", "service_id": CHECKUP}
    event |= {"doctor_id": DOCTOR, "patient_id": patient(1), "starts_at": NINE, "ends_at": NINE + HALF, "time_zone": "Europe/Berlin"}
    actor = Actor(id=DOCTOR, role=Role.DOCTOR)
    await clinic.publish_event(AppointmentCheckedIn(id=UUID(int=5), occurred_at=NOON, actor=actor, **event))
    assert await archived_ids(clinic) == {UUID(int=1)}
    assert (await release(clinic, 1, 3)).status_code == 204
    assert (await agenda(clinic), await lanes(clinic)) == ([], {})


async def test_an_archived_visit_can_be_moved_ahead_and_is_archived_again_later(clinic: RunningService) -> None:
    await book(clinic, 1)
    await pass_time(clinic)
    assert (await book(clinic, 1, OVER + DAY, revision=2)).status_code == 200
    assert len(await lanes(clinic)) == 6 + 8
    assert await archived_ids(clinic) == set()
    await pass_time(clinic, OVER + 4 * DAY)
    assert (await lanes(clinic), await archived_ids(clinic)) == ({}, {UUID(int=1)})


async def test_time_of_a_visit_that_has_begun_is_taken_again_and_archived(clinic: RunningService) -> None:
    """appointment-service asks for the time of a visit whose claim was lost."""
    await pass_time(clinic)
    assert (await book(clinic, 1, begun=True)).status_code == 200
    await clinic.run_until_idle()
    assert (await lanes(clinic), len(await agenda(clinic))) == ({}, 1)


async def test_a_seat_of_an_archived_session_can_be_given_back(clinic: RunningService) -> None:
    for number in (1, 2):
        await book(clinic, number, service_id=GROUP)
    await pass_time(clinic)
    assert len(await archived_ids(clinic)) == 3
    for number in (1, 2):
        assert (await release(clinic, number, 2)).status_code == 204
    assert (await agenda(clinic), await lanes(clinic)) == ([], {})


async def test_overlapping_claims_are_archived_in_any_order(clinic: RunningService) -> None:
    """Two visits that have begun lie over each other; the longer one is archived later and keeps lane 0 until then."""
    await book(clinic, 1)
    await book(clinic, 2, NINE + HALF - timedelta(minutes=5), begun=True)
    await pass_time(clinic, NINE + HALF + timedelta(minutes=15) + ARCHIVE_AFTER)
    left = await lanes(clinic)
    assert {claim for taken in left.values() for claim in taken.values()} == {UUID(int=2)}
    assert all(taken.keys() == {0} for taken in left.values())
    await pass_time(clinic)
    assert await lanes(clinic) == {}


async def test_a_leave_and_a_closure_are_archived_and_can_be_withdrawn_after_that(clinic: RunningService) -> None:
    leave = {"starts_at": format_instant(NINE), "ends_at": format_instant(NINE + 4 * HALF), "reason": "Ill", "affected": []}
    leave_id = (await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=leave, headers=SELF)).json()["id"]
    closure = {"from": format_instant(NINE + DAY), "to": format_instant(NINE + DAY + HALF), "reason": "Flooded"}
    closure_id = (await clinic.http.post("/admin/closures", json=closure, headers=ADMIN)).json()["id"]
    await clinic.run_until_idle()
    before = await agenda(clinic)
    await pass_time(clinic)
    assert (await lanes(clinic), await agenda(clinic), len(before)) == ({}, before, 2)
    assert (await clinic.http.delete(f"/doctors/{DOCTOR}/leaves/{leave_id}", headers=SELF)).status_code == 204
    assert (await clinic.http.delete(f"/admin/closures/{closure_id}", headers=ADMIN)).status_code == 204
    assert await agenda(clinic) == []


async def test_a_long_leave_is_not_archived_before_its_end(clinic: RunningService) -> None:
    leave = {"starts_at": format_instant(NINE), "ends_at": format_instant(OVER + DAY), "reason": "Away", "affected": []}
    assert (await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=leave, headers=SELF)).status_code == 201
    taken = await lanes(clinic)
    await pass_time(clinic)
    assert await lanes(clinic) == taken
    assert "on_leave" in {reason["code"] for reason in (await book(clinic, 1, OVER + timedelta(hours=3))).json()["reasons"]}


async def test_a_hold_that_was_left_is_dropped(clinic: RunningService) -> None:
    body = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": format_instant(NINE)}
    held = await clinic.http.post("/holds", json=body, headers=bearer(Role.PATIENT, patient(1)))
    assert (held.status_code, bool(await lanes(clinic))) == (201, True)
    await pass_time(clinic)
    assert await lanes(clinic) == {}
    booked = await book(clinic, 1, OVER + DAY, hold_id=UUID(held.json()["id"]))
    assert booked.json()["code"] == "hold_mismatch"


async def test_a_claim_that_cannot_be_archived_does_not_stop_the_others(clinic: RunningService) -> None:
    for number in (1, 2, 3):
        await book(clinic, number, NINE + (number - 1) * 2 * HALF)
    clinic.clock.set(OVER)
    failing = {UUID(int=1)}
    archive = Archive(FailingStore(store_of(clinic), failing), clinic.clock)
    assert [await archive.archive_past() for _ in range(2)] == [2, 0]
    assert await archived_ids(clinic) == {UUID(int=2), UUID(int=3)}
    failing.clear()
    assert await archive.archive_past() == 1


class FailingStore:
    """A store whose transactions fail to archive some claims."""

    def __init__(self, store: SqlCalendarStore, failing: set[UUID]) -> None:
        self.store, self.failing, self.list_archivable = store, failing, store.list_archivable

    def begin(self) -> Any:
        return FailingTransaction(self.store.begin(), self.failing)


class FailingTransaction:
    def __init__(self, context: Any, failing: set[UUID]) -> None:
        self.context, self.failing = context, failing
        self.tx: SqlCalendarTransaction

    async def __aenter__(self) -> FailingTransaction:
        self.tx = await self.context.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self.context.__aexit__(*error)

    async def archive(self, claim_id: UUID, ended_before: int) -> bool:
        if claim_id in self.failing:
            raise ZeroDivisionError
        return await self.tx.archive(claim_id, ended_before)


async def test_one_run_is_bounded_and_the_next_goes_on(clinic: RunningService) -> None:
    await insert_leaves(clinic, PAGE_SIZE * MAX_PAGES + 5)
    clinic.clock.set(OVER)
    archive = Archive(store_of(clinic), clinic.clock)
    assert [await archive.archive_past() for _ in range(3)] == [PAGE_SIZE * MAX_PAGES, 5, 0]


async def insert_leaves(clinic: RunningService, count: int, **changes: Any) -> None:
    """Insert leaves of one grain that lie in the past."""
    start = grain_of(NINE)
    row = {"kind": "leave", "revision": 1, "live": True, "over": True, "visit_from": start, "visit_to": start + 1, "span_from": start,
           "span_to": start + 1, "changed_at": NOON}  # fmt: skip
    rows = [row | {"id": new_id(), "doctor_id": new_id()} | changes for _ in range(count)]
    async with store_of(clinic).database.write() as connection:
        await connection.execute(insert(CLAIMS), rows)
        grains = [{"resource_id": row["doctor_id"], "grain": start, "lane": 0, "claim_id": row["id"]} for row in rows]
        await connection.execute(insert(CLAIM_GRAINS), grains)


async def test_the_job_finds_what_is_due_by_an_index(clinic: RunningService) -> None:
    await insert_leaves(clinic, 2000, archived=True)
    await insert_leaves(clinic, 20)
    async with store_of(clinic).database.write() as connection:
        await connection.execute(text("ANALYZE" if store_of(clinic).database.is_sqlite else "ANALYZE TABLE claims"))
    statement = str(due_claims(grain_of(OVER), PAGE_SIZE, None).compile(compile_kwargs={"literal_binds": True}, dialect=dialect_of(clinic)))
    keyword = "EXPLAIN QUERY PLAN" if store_of(clinic).database.is_sqlite else "EXPLAIN"
    async with store_of(clinic).database.read() as connection:
        plan = [tuple(row) for row in await connection.execute(text(f"{keyword} {statement}"))]
    assert len(plan) == 1
    assert "claims_to_archive" in str(plan[0])
    assert "filesort" not in str(plan[0])


def dialect_of(clinic: RunningService) -> Any:
    return store_of(clinic).database._reader.dialect
