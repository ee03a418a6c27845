"""Visits are deleted when they ended longer ago than the clinic keeps them; one whose appointment is gone is still listed until then."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from patient_svc.repository.tables import VISITS
from patient_svc.repository.visits import SqlRebuildStore
from patient_svc.usecases.retention import VisitRetention
from shared.contracts.identity import Role
from shared.kit.batch_deletion import BATCH_SIZE
from shared.kit.clock import MovableClock
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON, clinic_settings
from tests.service.patient.appointments_upstream import AppointmentsUpstream, a_record, an_event_of
from tests.service.patient.running_patient import SAM, create_profile, run_patient_service
from tests.tokens import bearer

LIMIT = NOON.replace(year=NOON.year - 30)


async def insert_visits(database: Database, *ends: datetime | None) -> None:
    row = {"patient_id": SAM, "doctor_id": UUID(int=2), "treats": True, "version": 2}
    async with database.write() as connection:
        rows = [row | {"appointment_id": UUID(int=number), "ends_at": ends_at} for number, ends_at in enumerate(ends)]
        await connection.execute(insert(VISITS), rows)


async def stored_ids(database: Database) -> list[int]:
    async with database.read() as connection:
        return [stored.int for stored in await connection.scalars(select(VISITS.c.appointment_id).order_by(VISITS.c.appointment_id))]


@pytest.mark.parametrize(
    ("records", "visits", "of_admin"),
    [(10, 30, {}), (30, 20, {}), (10, 40, {"visits_years": 30})],
    ids=["by their own years", "not before the records of their patient", "by the years that an admin has set"],
)
async def test_the_job_deletes_only_visits_that_ended_before_the_years_of_the_settings(
    tmp_path: Path, sql_url: str, records: int, visits: int, of_admin: dict[str, int]
) -> None:
    settings = {"keep_records_years": records, "keep_visits_years": visits, "clinic_settings": clinic_settings(retention=of_admin)}
    async with run_patient_service(tmp_path, database_url=sql_url, **settings) as service, Database(sql_url) as database:
        await insert_visits(database, LIMIT, LIMIT + timedelta(hours=2), NOON, None)
        await service.run_until_idle()
        assert await stored_ids(database) == [0, 1, 2, 3]

        service.clock.advance(timedelta(hours=1))
        await service.run_until_idle()

        assert await stored_ids(database) == [1, 2, 3]


async def test_a_stopped_run_goes_on_and_a_page_is_bounded(sql_url: str) -> None:
    migrate("patient_svc", sql_url)
    async with Database(sql_url) as database:
        store = SqlRebuildStore(database, MovableClock(NOON, running=False))
        await insert_visits(database, *([LIMIT - timedelta(days=1)] * (BATCH_SIZE + 5)), NOON)
        assert await store.delete_ended_visits(LIMIT, 3) == 3
        assert await VisitRetention(store, lambda: 30, store.now).delete_old() == BATCH_SIZE + 2
        assert await stored_ids(database) == [BATCH_SIZE + 5]


async def test_a_visit_whose_appointment_was_deleted_is_listed_without_names(tmp_path: Path, sql_url: str) -> None:
    upstream = AppointmentsUpstream()
    async with run_patient_service(tmp_path, database_url=sql_url, upstream=upstream) as service:
        await create_profile(service, SAM)
        await service.publish_event(an_event_of(a_record(1)))

        response = await service.http.get(f"/patients/{SAM}/appointments", headers=bearer(Role.PATIENT, SAM))

        assert response.status_code == 200, response.text
        assert response.json()["complete"] is True
        assert [(item["status"], item["service"]["name"]) for item in response.json()["items"]] == [("booked", None)]
