"""`POST /admin/users`: the account and its profile, or neither."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.admin.clinic import Clinic
from tests.tokens import bearer

ADMIN = bearer(Role.ADMIN)
PASSWORD = "correct horse battery"
PATIENT = {"email": "Pat@Clinic.test", "role": "patient", "full_name": "Pat Patient", "phone": "+49 30 1", "time_zone": "Europe/Berlin"}
DOCTOR = {"email": "doc@clinic.test", "role": "doctor", "full_name": "Dora Doctor", "specialties": ["Cardiology"], "title": "Dr."}


async def enrol(here: RunningService, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await here.http.post("/admin/users", json=body, headers=ADMIN | headers)


def all_bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def on_paper(here: RunningService) -> int:
    wishes = here.app.state.enrolment.wishes
    return len(await wishes.take_up(here.clock() + timedelta(days=365), here.clock()))


async def test_a_patient_is_made_by_auth_service(here: RunningService, clinic: Clinic) -> None:
    made = await enrol(here, PATIENT)
    assert made.status_code == 201, made.text
    user = made.json()
    assert user == {
        "id": user["id"],
        "email": "pat@clinic.test",
        "full_name": "Pat Patient",
        "role": "patient",
        "status": "invited",
        "version": 1,
    }
    assert (made.headers["etag"], made.headers["location"]) == ('"1"', f"/admin/users/{user['id']}")
    asked = {"email": "pat@clinic.test", "role": "patient", "full_name": "Pat Patient", "locale": "en", "time_zone": "Europe/Berlin"}
    assert clinic.asked == [("PUT", f"auth-service/internal/accounts/{user['id']}", asked | {"phone": "+49 30 1"})]
    assert await on_paper(here) == 0


async def test_a_doctor_is_made_by_doctor_service(here: RunningService, clinic: Clinic) -> None:
    user = (await enrol(here, DOCTOR | {"password": PASSWORD})).json()
    assert (user["role"], user["status"]) == ("doctor", "active")
    assert clinic.doctors[user["id"]] == {
        "email": "doc@clinic.test",
        "full_name": "Dora Doctor",
        "time_zone": "UTC",
        "password": PASSWORD,
        "specialties": ["Cardiology"],
        "title": "Dr.",
    }
    assert await on_paper(here) == 0


@pytest.mark.parametrize("role", ["reception", "admin"])
async def test_staff_is_made_with_a_password_or_invited(here: RunningService, role: str) -> None:
    first = await enrol(here, {"email": "a@x.test", "role": role, "full_name": "A", "password": PASSWORD})
    second = await enrol(here, {"email": "b@x.test", "role": role, "full_name": "B"})
    assert [first.json()["status"], second.json()["status"]] == ["active", "invited"]


async def test_the_same_key_makes_one_user(here: RunningService, clinic: Clinic) -> None:
    answers = [await enrol(here, PATIENT, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert len(clinic.accounts) == 1


@pytest.mark.parametrize("body", [PATIENT, DOCTOR])
async def test_a_taken_address_leaves_nothing(here: RunningService, clinic: Clinic, body: dict[str, Any]) -> None:
    clinic.account("patient", email=body["email"].lower())
    answer = await enrol(here, body)
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert len(clinic.accounts) == 1
    assert await on_paper(here) == 0


async def test_a_weak_password_is_refused_where_it_stands(here: RunningService) -> None:
    answer = await enrol(here, PATIENT | {"password": "short"})
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (422, "password_too_weak", "/password")
    assert await on_paper(here) == 0


WRONG = [
    ({"email": "nobody"}, "/email"),
    ({"role": "service"}, "/role"),
    ({"role": "system"}, "/role"),
    ({"full_name": "  "}, "/full_name"),
    ({"full_name": "a\u202eb"}, "/full_name"),
    ({"password": "x" * 129}, "/password"),
    ({"phone": "call me"}, "/phone"),
    ({"time_zone": "Mars/Base"}, "/time_zone"),
    ({"locale": "english please"}, "/locale"),
    ({"specialties": ["Cardiology"]}, ""),
    ({"override": True}, "/override"),
]


@pytest.mark.parametrize(("change", "pointer"), WRONG)
async def test_a_wrong_field_is_named(here: RunningService, clinic: Clinic, change: dict[str, Any], pointer: str) -> None:
    answer = await enrol(here, PATIENT | change)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert clinic.asked == []


async def test_a_repeat_after_silence_keeps_the_password(here: RunningService, clinic: Clinic) -> None:
    clinic.down = {"auth-service"}
    silent = await enrol(here, PATIENT | {"password": PASSWORD}, **{"Idempotency-Key": "k"})
    assert (silent.status_code, silent.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in silent.headers
    clinic.down = set()
    again = await enrol(here, PATIENT | {"password": PASSWORD}, **{"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["status"]) == (201, "active")
    assert await on_paper(here) == 0


@pytest.mark.parametrize(("body", "owner"), [(PATIENT, "auth-service"), (DOCTOR, "doctor-service")])
async def test_what_a_silent_neighbour_left_is_finished_by_invitation(
    here: RunningService, clinic: Clinic, body: dict[str, Any], owner: str
) -> None:
    clinic.down = {owner}
    assert (await enrol(here, body | {"password": PASSWORD})).status_code == 503
    clinic.down = set()
    await here.run_until_idle()
    assert clinic.accounts == {}, "the request may still run"
    here.clock.advance(timedelta(seconds=61))
    await here.run_until_idle()
    assert [account["status"] for account in clinic.accounts.values()] == ["invited"]
    assert await on_paper(here) == 0


@pytest.mark.parametrize(("body", "owner"), [(PATIENT, "auth-service"), (DOCTOR, "doctor-service")])
async def test_a_lost_answer_leaves_the_user_as_asked(here: RunningService, clinic: Clinic, body: dict[str, Any], owner: str) -> None:
    clinic.deaf = {owner}
    assert (await enrol(here, body | {"password": PASSWORD})).status_code == 503
    clinic.deaf = set()
    here.clock.advance(timedelta(seconds=61))
    await here.run_until_idle()
    assert [account["status"] for account in clinic.accounts.values()] == ["active"]
    assert await on_paper(here) == 0


async def test_a_doctor_whose_account_cannot_be_read_is_not_forgotten(here: RunningService, clinic: Clinic) -> None:
    clinic.down = {"auth-service"}
    assert (await enrol(here, DOCTOR, **{"Idempotency-Key": "k"})).status_code == 503
    assert await on_paper(here) == 1
    clinic.down = set()
    assert (await enrol(here, DOCTOR, **{"Idempotency-Key": "k"})).status_code == 201


async def test_a_wish_that_is_refused_later_is_given_up(here: RunningService, clinic: Clinic) -> None:
    clinic.down = {"auth-service"}
    await enrol(here, PATIENT)
    clinic.down = set()
    clinic.account("patient", email="pat@clinic.test")
    here.clock.advance(timedelta(seconds=61))
    await here.run_until_idle()
    assert (len(clinic.accounts), await on_paper(here)) == (1, 0)


async def test_a_wish_is_tried_each_minute_for_a_day(here: RunningService, clinic: Clinic) -> None:
    clinic.down = {"auth-service"}
    await enrol(here, PATIENT)
    for _ in range(3):
        here.clock.advance(timedelta(seconds=61))
        await here.run_until_idle()
    here.clock.advance(timedelta(days=1))
    await here.run_until_idle()
    clinic.down = set()
    assert await on_paper(here) == 0
    here.clock.advance(timedelta(days=1))
    await here.run_until_idle()
    assert clinic.accounts == {}


async def test_the_password_is_never_written_down(here: RunningService, clinic: Clinic, tmp_path: Path) -> None:
    clinic.down = {"auth-service"}
    await enrol(here, PATIENT | {"password": PASSWORD})
    written = all_bytes_in(tmp_path)
    assert b"pat@clinic.test" in written
    assert PASSWORD.encode() not in written
