"""A doctor and the login account: both or neither."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.identity import Role
from tests.service.doctor.practice import ADA, ADMIN, ADMIN_SERVICE, Practice
from tests.tokens import bearer, service_bearer


async def test_a_new_doctor_has_an_invited_account_of_the_same_id_and_an_empty_schedule(anywhere: Practice) -> None:
    services = [await anywhere.offer()]
    wish = ADA | {
        "title": "Dr.",
        "bio": "Kind.",
        "location": "East",
        "specialties": ["Cardiology"],
        "languages": ["de"],
        "services": services,
    }
    made = await anywhere.http.post("/doctors", json=wish, headers=ADMIN)
    doctor = made.json()
    assert (made.status_code, made.headers["location"], made.headers["etag"]) == (201, f"/doctors/{doctor['id']}", '"1"')
    assert {name: doctor[name] for name in wish if name != "email"} == {name: wish[name] for name in wish if name != "email"}
    assert (doctor["accepting_patients"], doctor["active"], "email" in doctor) == (True, True, False)
    assert anywhere.auth.accounts == {
        doctor["id"]: {"email": ADA["email"], "role": "doctor", "full_name": "Ada Weiss", "locale": "en", "time_zone": "Europe/Berlin"}
    }
    schedule = (await anywhere.http.get(f"/doctors/{doctor['id']}/schedules")).json()
    assert (schedule["weekly"], schedule["overrides"], schedule["windows"], schedule["version"]) == ([], [], [], 1)
    assert [(event.version, [str(each) for each in event.rules.services]) for event in await anywhere.told()] == [(2, services)]


async def test_an_address_that_is_taken_leaves_nothing_behind(anywhere: Practice) -> None:
    first = await anywhere.engage(email="ada@clinic.example")
    again = await anywhere.http.post("/doctors", json=ADA | {"full_name": "Another"}, headers=ADMIN)
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")
    anywhere.here.clock.advance(timedelta(minutes=5))
    await anywhere.here.run_until_idle()
    assert await anywhere.names() == [first["full_name"]]
    assert len(await anywhere.told()) == 1


async def test_a_doctor_whose_account_could_not_be_made_is_nowhere_until_the_job_finishes(anywhere: Practice) -> None:
    anywhere.auth.down = True
    late = await anywhere.http.post("/doctors", json=ADA, headers=ADMIN)
    assert (late.status_code, late.headers["retry-after"]) == (503, "2")
    assert await anywhere.names() == []
    assert (await anywhere.http.get("/internal/doctors", headers=ADMIN_SERVICE)).json()["items"] == []
    assert await anywhere.told() == []
    anywhere.here.clock.advance(timedelta(minutes=2))
    await anywhere.here.run_until_idle()
    assert await anywhere.names() == []
    anywhere.auth.down = False
    anywhere.here.clock.advance(timedelta(minutes=2))
    await anywhere.here.run_until_idle()
    assert await anywhere.names() == ["Ada Weiss"]
    assert [str(event.doctor_id) for event in await anywhere.told()] == list(anywhere.auth.accounts)


async def test_a_pending_doctor_can_be_neither_read_nor_changed(doctors: Practice) -> None:
    doctors.auth.down = True
    doctor_id, admin = str(uuid4()), ADMIN | {"If-Match": '"1"'}
    assert (await doctors.http.put(f"/internal/doctors/{doctor_id}", json=ADA, headers=ADMIN_SERVICE)).status_code == 503
    for path in (f"/doctors/{doctor_id}", f"/doctors/{doctor_id}/schedules"):
        assert (await doctors.http.get(path, headers=ADMIN)).status_code == 404
    assert (await doctors.http.get(f"/internal/doctors/{doctor_id}", headers=ADMIN_SERVICE)).status_code == 404
    assert (await doctors.http.patch(f"/internal/doctors/{doctor_id}", json={"full_name": "X"}, headers=ADMIN_SERVICE)).status_code == 404
    assert (await doctors.http.patch(f"/doctors/{doctor_id}", json={"bio": "X"}, headers=admin)).status_code == 404
    assert (await doctors.open_hours(doctor_id)).status_code == 404
    assert (await doctors.override(doctor_id, "2026-03-09", version=1)).status_code == 404


async def test_the_same_key_after_an_outage_finishes_the_same_doctor(doctors: Practice) -> None:
    headers = ADMIN | {"Idempotency-Key": "ada"}
    doctors.auth.down = True
    assert (await doctors.http.post("/doctors", json=ADA, headers=headers)).status_code == 503
    doctors.auth.down = False
    made = await doctors.http.post("/doctors", json=ADA, headers=headers)
    again = await doctors.http.post("/doctors", json=ADA, headers=headers)
    assert (made.status_code, again.content) == (201, made.content)
    assert list(doctors.auth.accounts) == [made.json()["id"]]
    assert len(await doctors.told()) == 1


async def test_a_lost_answer_of_the_account_is_asked_for_again(doctors: Practice) -> None:
    doctors.auth.deaf = True
    assert (await doctors.http.post("/doctors", json=ADA, headers=ADMIN)).status_code == 503
    doctors.auth.deaf = False
    doctors.here.clock.advance(timedelta(minutes=2))
    await doctors.here.run_until_idle()
    found = (await doctors.http.get("/doctors")).json()["items"]
    assert [doctor["id"] for doctor in found] == list(doctors.auth.accounts)


async def test_one_straggler_that_is_refused_holds_up_no_other(doctors: Practice) -> None:
    doctors.auth.down = True
    for email in ("taken@clinic.example", "free@clinic.example"):
        await doctors.http.post("/doctors", json=ADA | {"email": email, "full_name": email}, headers=ADMIN)
    doctors.auth.down = False
    doctors.auth.accounts[str(uuid4())] = {"email": "taken@clinic.example"}
    doctors.here.clock.advance(timedelta(minutes=2))
    await doctors.here.run_until_idle()
    assert await doctors.names() == ["free@clinic.example"]


async def test_an_admins_new_user_brings_id_and_password(anywhere: Practice) -> None:
    doctor_id, wish = str(uuid4()), ADA | {"password": "correct horse battery"}
    for _ in range(2):
        made = await anywhere.http.put(f"/internal/doctors/{doctor_id}", json=wish, headers=ADMIN_SERVICE)
        assert (made.status_code, made.json()["id"], made.json()["version"]) == (200, doctor_id, 2)
    assert anywhere.auth.accounts[doctor_id]["password"] == "correct horse battery"
    weak = await anywhere.http.put(
        f"/internal/doctors/{uuid4()}", json=wish | {"email": "b@c.example", "password": "short"}, headers=ADMIN_SERVICE
    )
    assert (weak.status_code, weak.json()["code"]) == (422, "password_too_weak")
    assert await anywhere.names() == ["Ada Weiss"]


async def test_many_who_put_one_doctor_at_once_put_one(anywhere: Practice) -> None:
    path = f"/internal/doctors/{uuid4()}"
    answers = await asyncio.gather(*(anywhere.http.put(path, json=ADA, headers=ADMIN_SERVICE) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await anywhere.told()) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"services": [str(uuid4())]}, "unknown_service"),
        ({"time_zone": "Berlin"}, "unknown_time_zone"),
        ({"email": "ada"}, "not_an_email"),
        ({"full_name": " "}, "validation_failed"),
        ({"languages": ["german!"]}, "validation_failed"),
        ({"specialties": ["x"] * 21}, "validation_failed"),
        ({"accepting_patients": "yes"}, "validation_failed"),
        ({"active": False}, "validation_failed"),
    ],
)
async def test_a_wrong_field_is_refused_before_anything_happens(doctors: Practice, changes: dict[str, Any], code: str) -> None:
    answer = await doctors.http.post("/doctors", json=ADA | changes, headers=ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"].startswith("/" + next(iter(changes)))
    assert doctors.auth.accounts == {}


async def test_only_admins_engage_and_only_admin_service_puts(doctors: Practice) -> None:
    assert (await doctors.http.post("/doctors", json=ADA)).status_code == 401
    for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION):
        assert (await doctors.http.post("/doctors", json=ADA, headers=bearer(role))).status_code == 403
    path = f"/internal/doctors/{uuid4()}"
    assert (await doctors.http.put(path, json=ADA, headers=ADMIN)).status_code == 403
    assert (await doctors.http.put(path, json=ADA, headers=service_bearer("scheduling-service"))).status_code == 403
