"""Creating a doctor and their account: both or neither."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.events import DoctorChanged
from shared.contracts.identity import Role
from tests.service.doctor.running_doctor import ADA, ADMIN, ADMIN_SERVICE, RunningDoctor
from tests.tokens import bearer, service_bearer


async def test_a_new_doctor_has_an_invited_account_of_the_same_id_and_an_empty_schedule(doctors_on_sql: RunningDoctor) -> None:
    services = [await doctors_on_sql.create_service()]
    request = ADA | {
        "title": "Dr.",
        "bio": "Kind.",
        "location": "East",
        "specialties": ["Cardiology"],
        "languages": ["de"],
        "services": services,
    }
    created = await doctors_on_sql.http.post("/doctors", json=request, headers=ADMIN)
    doctor = created.json()
    assert (created.status_code, created.headers["location"], created.headers["etag"]) == (201, f"/doctors/{doctor['id']}", '"1"')
    assert {name: doctor[name] for name in request if name != "email"} == {name: request[name] for name in request if name != "email"}
    assert (doctor["accepting_patients"], doctor["active"], "email" in doctor) == (True, True, False)
    assert doctors_on_sql.auth.accounts == {
        doctor["id"]: {"email": ADA["email"], "role": "doctor", "full_name": "Ada Weiss", "time_zone": "Europe/Berlin"}
    }
    schedule = (await doctors_on_sql.http.get(f"/doctors/{doctor['id']}/schedules")).json()
    assert (schedule["weekly"], schedule["overrides"], schedule["windows"], schedule["version"]) == ([], [], [], 1)
    assert [
        (event.version, [str(service_id) for service_id in event.rules.services])
        for event in await doctors_on_sql.list_events(DoctorChanged)
    ] == [(2, services)]


async def test_an_email_address_that_is_taken_leaves_no_pending_doctor(doctors_on_sql: RunningDoctor) -> None:
    first = await doctors_on_sql.create_doctor(email="ada@clinic.example")
    again = await doctors_on_sql.http.post("/doctors", json=ADA | {"full_name": "Another"}, headers=ADMIN)
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")
    doctors_on_sql.service.clock.advance(timedelta(minutes=5))
    await doctors_on_sql.service.run_until_idle()
    assert await doctors_on_sql.list_names() == [first["full_name"]]
    assert len(await doctors_on_sql.list_events(DoctorChanged)) == 1


async def test_a_doctor_whose_account_could_not_be_created_is_invisible_until_the_job_completes_it(
    doctors_on_sql: RunningDoctor,
) -> None:
    doctors_on_sql.auth.is_down = True
    late = await doctors_on_sql.http.post("/doctors", json=ADA, headers=ADMIN)
    assert (late.status_code, late.headers["retry-after"]) == (503, "2")
    assert await doctors_on_sql.list_names() == []
    assert (await doctors_on_sql.http.get("/internal/doctors", headers=ADMIN_SERVICE)).json()["items"] == []
    assert await doctors_on_sql.list_events(DoctorChanged) == []
    doctors_on_sql.service.clock.advance(timedelta(minutes=2))
    await doctors_on_sql.service.run_until_idle()
    assert await doctors_on_sql.list_names() == []
    doctors_on_sql.auth.is_down = False
    doctors_on_sql.service.clock.advance(timedelta(minutes=2))
    await doctors_on_sql.service.run_until_idle()
    assert await doctors_on_sql.list_names() == ["Ada Weiss"]
    assert [str(event.doctor_id) for event in await doctors_on_sql.list_events(DoctorChanged)] == list(doctors_on_sql.auth.accounts)


async def test_a_pending_doctor_can_be_neither_read_nor_changed(doctors: RunningDoctor) -> None:
    doctors.auth.is_down = True
    doctor_id, admin = str(uuid4()), ADMIN | {"If-Match": '"1"'}
    assert (await doctors.http.put(f"/internal/doctors/{doctor_id}", json=ADA, headers=ADMIN_SERVICE)).status_code == 503
    for path in (f"/doctors/{doctor_id}", f"/doctors/{doctor_id}/schedules"):
        assert (await doctors.http.get(path, headers=ADMIN)).status_code == 404
    assert (await doctors.http.get(f"/internal/doctors/{doctor_id}", headers=ADMIN_SERVICE)).status_code == 404
    assert (await doctors.http.patch(f"/internal/doctors/{doctor_id}", json={"full_name": "X"}, headers=ADMIN_SERVICE)).status_code == 404
    assert (await doctors.http.patch(f"/doctors/{doctor_id}", json={"bio": "X"}, headers=admin)).status_code == 404
    assert (await doctors.put_weekly_hours(doctor_id)).status_code == 404
    assert (await doctors.put_override(doctor_id, "2026-03-09", version=1)).status_code == 404


async def test_repeating_the_request_with_its_key_after_an_outage_completes_the_same_doctor(doctors: RunningDoctor) -> None:
    headers = ADMIN | {"Idempotency-Key": "ada"}
    doctors.auth.is_down = True
    assert (await doctors.http.post("/doctors", json=ADA, headers=headers)).status_code == 503
    doctors.auth.is_down = False
    created = await doctors.http.post("/doctors", json=ADA, headers=headers)
    again = await doctors.http.post("/doctors", json=ADA, headers=headers)
    assert (created.status_code, again.content) == (201, created.content)
    assert list(doctors.auth.accounts) == [created.json()["id"]]
    assert len(await doctors.list_events(DoctorChanged)) == 1


async def test_a_lost_response_of_auth_service_is_recovered_by_the_job(doctors: RunningDoctor) -> None:
    doctors.auth.loses_responses = True
    assert (await doctors.http.post("/doctors", json=ADA, headers=ADMIN)).status_code == 503
    doctors.auth.loses_responses = False
    doctors.service.clock.advance(timedelta(minutes=2))
    await doctors.service.run_until_idle()
    listed = (await doctors.http.get("/doctors")).json()["items"]
    assert [doctor["id"] for doctor in listed] == list(doctors.auth.accounts)


async def test_a_pending_doctor_whose_account_is_refused_does_not_stop_the_others(doctors: RunningDoctor) -> None:
    doctors.auth.is_down = True
    for email in ("taken@clinic.example", "free@clinic.example"):
        await doctors.http.post("/doctors", json=ADA | {"email": email, "full_name": email}, headers=ADMIN)
    doctors.auth.is_down = False
    doctors.auth.accounts[str(uuid4())] = {"email": "taken@clinic.example"}
    doctors.service.clock.advance(timedelta(minutes=2))
    await doctors.service.run_until_idle()
    assert await doctors.list_names() == ["free@clinic.example"]


async def test_a_prepared_doctor_is_invisible_until_the_account_has_the_role(doctors: RunningDoctor) -> None:
    doctor_id = str(uuid4())
    path, account = f"/internal/pending-doctors/{doctor_id}", ADA | {"role": "reception"}
    doctors.auth.accounts[doctor_id] = account
    assert (await doctors.http.put(path, json=ADA, headers=ADMIN_SERVICE)).status_code == 204
    assert await doctors.list_names() == []
    refused = await doctors.http.put(f"/internal/doctors/{doctor_id}", json=ADA, headers=ADMIN_SERVICE)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_doctors_account")
    for _ in range(2):
        assert (await doctors.http.put(path, json=ADA, headers=ADMIN_SERVICE)).status_code == 204
    account["role"] = "doctor"
    assert (await doctors.http.put(f"/internal/doctors/{doctor_id}", json=ADA, headers=ADMIN_SERVICE)).status_code == 200
    assert (await doctors.http.delete(path, headers=ADMIN_SERVICE)).status_code == 204
    assert await doctors.list_names() == ["Ada Weiss"], "a confirmed doctor stays"


@pytest.mark.parametrize(("role", "names"), [("doctor", ["Ada Weiss"]), ("admin", [])])
async def test_the_job_asks_which_role_the_account_of_a_prepared_doctor_has(doctors: RunningDoctor, role: str, names: list[str]) -> None:
    doctor_id = str(uuid4())
    doctors.auth.accounts[doctor_id] = ADA | {"role": role}
    await doctors.http.put(f"/internal/pending-doctors/{doctor_id}", json=ADA, headers=ADMIN_SERVICE)
    doctors.service.clock.advance(timedelta(minutes=2))
    await doctors.service.run_until_idle()
    assert await doctors.list_names() == names
    assert len(await doctors.list_events(DoctorChanged)) == len(names)


async def test_pending_doctors_who_keep_failing_do_not_hide_newer_ones(doctors: RunningDoctor) -> None:
    """The job takes fifty at once, and sixty older ones fail."""
    failing = [str(uuid4()) for _ in range(60)]
    for doctor_id in failing:
        await doctors.http.put(f"/internal/pending-doctors/{doctor_id}", json=ADA, headers=ADMIN_SERVICE)
    doctors.auth.failing = set(failing)
    doctors.service.clock.advance(timedelta(seconds=1))
    newest = ADA | {"email": "newest@clinic.example", "full_name": "Newest"}
    await doctors.http.put(f"/internal/pending-doctors/{uuid4()}", json=newest, headers=ADMIN_SERVICE)
    doctors.service.clock.advance(timedelta(minutes=1))
    for _ in range(2):
        await doctors.service.run_until_idle()
    assert await doctors.list_names() == ["Newest"]


async def test_admin_service_creates_a_doctor_with_id_and_password(doctors_on_sql: RunningDoctor) -> None:
    doctor_id, request = str(uuid4()), ADA | {"password": "correct horse battery"}
    for _ in range(2):
        created = await doctors_on_sql.http.put(f"/internal/doctors/{doctor_id}", json=request, headers=ADMIN_SERVICE)
        assert (created.status_code, created.json()["id"], created.json()["version"]) == (200, doctor_id, 2)
    assert doctors_on_sql.auth.accounts[doctor_id]["password"] == "correct horse battery"
    weak = await doctors_on_sql.http.put(
        f"/internal/doctors/{uuid4()}", json=request | {"email": "b@c.example", "password": "short"}, headers=ADMIN_SERVICE
    )
    assert (weak.status_code, weak.json()["code"]) == (422, "password_too_weak")
    assert await doctors_on_sql.list_names() == ["Ada Weiss"]


async def test_simultaneous_requests_create_one_doctor(doctors_on_sql: RunningDoctor) -> None:
    path = f"/internal/doctors/{uuid4()}"
    responses = await asyncio.gather(*(doctors_on_sql.http.put(path, json=ADA, headers=ADMIN_SERVICE) for _ in range(6)))
    assert {response.status_code for response in responses} == {200}
    assert len(await doctors_on_sql.list_events(DoctorChanged)) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"services": [str(uuid4())]}, "unknown_service"),
        ({"time_zone": "Berlin"}, "unknown_time_zone"),
        ({"email": "ada"}, "not_an_email"),
        ({"full_name": " "}, "control_character"),
        ({"languages": ["german!"]}, "validation_failed"),
        ({"specialties": ["x"] * 21}, "validation_failed"),
        ({"accepting_patients": "yes"}, "validation_failed"),
        ({"active": False}, "validation_failed"),
    ],
)
async def test_an_invalid_field_is_refused_before_anything_is_created(doctors: RunningDoctor, changes: dict[str, Any], code: str) -> None:
    response = await doctors.http.post("/doctors", json=ADA | changes, headers=ADMIN)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["errors"][0]["pointer"].startswith("/" + next(iter(changes)))
    assert doctors.auth.accounts == {}


async def test_only_admins_and_admin_service_create_doctors(doctors: RunningDoctor) -> None:
    assert (await doctors.http.post("/doctors", json=ADA)).status_code == 401
    for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION):
        assert (await doctors.http.post("/doctors", json=ADA, headers=bearer(role))).status_code == 403
    path = f"/internal/doctors/{uuid4()}"
    assert (await doctors.http.put(path, json=ADA, headers=ADMIN)).status_code == 403
    assert (await doctors.http.put(path, json=ADA, headers=service_bearer("scheduling-service"))).status_code == 403


async def test_admin_service_checks_a_new_doctor_before_it_creates_one(doctors_on_sql: RunningDoctor) -> None:
    doctor_id = uuid4()
    path = f"/internal/doctor-checks/{doctor_id}"
    assert (await doctors_on_sql.http.post(path, json=ADA, headers=ADMIN_SERVICE)).json() == {"exists": False}
    unknown = await doctors_on_sql.http.post(path, json=ADA | {"services": [str(uuid4())]}, headers=ADMIN_SERVICE)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_service")
    assert await doctors_on_sql.list_names() == []
    await doctors_on_sql.http.put(f"/internal/doctors/{doctor_id}", json=ADA, headers=ADMIN_SERVICE)
    assert (await doctors_on_sql.http.post(path, json=ADA, headers=ADMIN_SERVICE)).json() == {"exists": True}
    assert (await doctors_on_sql.http.post(path, json=ADA, headers=ADMIN)).status_code == 403
