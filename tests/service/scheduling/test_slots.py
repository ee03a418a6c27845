"""Free time over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, recorded_queries, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, PATIENT, a_doctor, a_service

DAY = f"/slots?service_id={CHECKUP}&from=2026-03-09T00:00:00Z&to=2026-03-10T00:00:00Z"


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningService]:
    doctors = [a_doctor(), a_doctor(id=COLLEAGUE, time_zone="Europe/London")]
    async with a_clinic(tmp_path, DoctorService(doctors, [a_service()])) as clinic:
        yield clinic


async def test_anyone_sees_free_times(clinic: RunningService) -> None:
    response = await clinic.http.get(f"{DAY}&doctor_id={DOCTOR}")
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["items"][0] == {
        "doctor_id": str(DOCTOR),
        "service_id": str(CHECKUP),
        "starts_at": "2026-03-09T08:00:00Z",
        "ends_at": "2026-03-09T08:30:00Z",
        "local_start": "2026-03-09T09:00",
        "time_zone": "Europe/Berlin",
        "remaining": 1,
        "held_by_you": False,
    }
    assert len(body["items"]) == 16
    assert (body["complete"], body["generated_at"]) == (True, "2026-03-02T12:00:00Z")


async def test_several_doctors_can_be_named_or_none_for_all(clinic: RunningService) -> None:
    both = (await clinic.http.get(f"{DAY}&doctor_id={DOCTOR}&doctor_id={COLLEAGUE}")).json()
    everyone = (await clinic.http.get(DAY)).json()
    assert both["items"] == everyone["items"]
    assert {slot["doctor_id"] for slot in everyone["items"]} == {str(DOCTOR), str(COLLEAGUE)}
    keys = [(slot["starts_at"], slot["doctor_id"]) for slot in everyone["items"]]
    assert keys == sorted(keys)


async def test_the_list_of_one_doctor_is_the_same(clinic: RunningService) -> None:
    listed = (await clinic.http.get(f"{DAY}&doctor_id={DOCTOR}&limit=3&time_zone=UTC")).json()
    query = DAY.partition("?")[2]
    assert (await clinic.http.get(f"/doctors/{DOCTOR}/slots?{query}&limit=3&time_zone=UTC")).json() == listed
    assert listed["complete"] is False
    assert listed["items"][0]["local_start"] == "2026-03-09T08:00"


async def test_a_reserved_time_is_listed_only_for_its_own_move(clinic: RunningService) -> None:
    assert (await reserve(clinic, 1)).status_code == 200
    url = f"{DAY}&doctor_id={DOCTOR}"
    assert (await clinic.http.get(url)).json()["items"][0]["local_start"] == "2026-03-09T09:30"
    own = await clinic.http.get(f"{url}&exclude_appointment={UUID(int=1)}", headers=bearer(Role.PATIENT, PATIENT))
    assert own.json()["items"][0]["local_start"] == "2026-03-09T09:00"
    for headers in ({}, bearer(Role.PATIENT)):
        stranger = await clinic.http.get(f"{url}&exclude_appointment={UUID(int=1)}", headers=headers)
        assert (stranger.status_code, stranger.json()["code"]) == (404, "no_such_reservation")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"service_id={CHECKUP}&from=2026-03-10T00:00:00Z&to=2026-03-09T00:00:00Z", "range_reversed"),
        (f"service_id={CHECKUP}&from=2026-03-01T00:00:00Z&to=2026-05-03T00:00:00Z", "range_too_long"),
        (f"service_id={CHECKUP}&from=2026-03-01T00:00:00", "offset_required"),
        (f"service_id={CHECKUP}&from=9999-03-01T00:00:00Z", "out_of_range"),
        (f"service_id={CHECKUP}&from=yesterday", "not_an_instant"),
        (f"service_id={CHECKUP}&time_zone=Mars/Olympus", "unknown_time_zone"),
        (f"service_id={UUID(int=404)}", "unknown_service"),
        (f"service_id={CHECKUP}&doctor_id={UUID(int=404)}", "unknown_doctor"),
        (f"service_id={CHECKUP}&limit=1001", "validation_failed"),
        (f"service_id={CHECKUP}&limit=0", "validation_failed"),
        (f"service_id={CHECKUP}&doctor_id=any", "validation_failed"),
        ("", "validation_failed"),
        (f"service_id={CHECKUP}&sort=price", "unknown_parameter"),
    ],
)
async def test_an_invalid_query_is_refused_with_a_code(clinic: RunningService, query: str, code: str) -> None:
    response = await clinic.http.get(f"/slots?{query}")
    assert (response.status_code, response.json()["code"]) == (422, code), response.text
    assert response.json()["errors"][0]["pointer"].startswith("/")


async def test_an_unknown_doctor_is_not_found(clinic: RunningService) -> None:
    response = await clinic.http.get(f"/doctors/{UUID(int=404)}/slots?service_id={CHECKUP}")
    assert (response.status_code, response.json()["code"]) == (404, "no_such_doctor")


async def test_an_invalid_token_is_refused_on_a_public_route(clinic: RunningService) -> None:
    assert (await clinic.http.get(DAY, headers={"Authorization": "Bearer nonsense"})).status_code == 401


async def queries_of(clinic: RunningService, url: str) -> int:
    with recorded_queries() as requested:
        assert (await clinic.http.get(url)).status_code == 200
    return len(requested)


async def test_the_number_of_queries_depends_on_neither_days_nor_doctors(tmp_path: Path) -> None:
    many = [a_doctor(id=UUID(int=1000 + number)) for number in range(30)]
    async with a_clinic(tmp_path, DoctorService(many, [a_service()])) as clinic:
        for number in range(10):
            await reserve(clinic, number, doctor_id=UUID(int=1000 + number), patient_id=UUID(int=2000 + number))
        begins = f"/slots?service_id={CHECKUP}&from=2026-03-09T00:00:00Z"
        one_doctor = await queries_of(clinic, f"{begins}&to=2026-03-10T00:00:00Z&doctor_id={UUID(int=1000)}")
        everything = await queries_of(clinic, f"{begins}&to=2026-05-01T00:00:00Z&limit=1000")
        assert one_doctor == everything == 4
