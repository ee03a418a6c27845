"""`POST /admin/users` creates both the account and the profile, or neither."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from admin_svc.repository.tables import PENDING_USERS
from admin_svc.usecases.create_user import UserCreation
from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.admin.fake_services import FakeServices
from tests.tokens import bearer

ADMIN = bearer(Role.ADMIN)
PASSWORD = "correct horse battery"
PATIENT = {"email": "Pat@Clinic.test", "role": "patient", "full_name": "Pat Patient", "phone": "+49 30 1", "time_zone": "Europe/Berlin"}
DOCTOR = {"email": "doc@clinic.test", "role": "doctor", "full_name": "Dora Doctor", "specialties": ["Cardiology"], "title": "Dr."}


async def create_user(admin: RunningService, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await admin.http.post("/admin/users", json=body, headers=ADMIN | headers)


def all_bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def count_pending_users(admin: RunningService) -> int:
    store = admin.app.state.use_cases[UserCreation].store
    async with store.begin() as tx:
        return int(await tx.connection.scalar(select(func.count()).select_from(PENDING_USERS)))


async def test_a_patient_is_created_by_auth_service(admin: RunningService, services: FakeServices) -> None:
    created = await create_user(admin, PATIENT)
    assert created.status_code == 201, created.text
    user = created.json()
    assert user == {
        "id": user["id"],
        "email": "pat@clinic.test",
        "full_name": "Pat Patient",
        "role": "patient",
        "status": "invited",
        "version": 1,
    }
    assert (created.headers["etag"], created.headers["location"]) == ('"1"', f"/admin/users/{user['id']}")
    request = {"email": "pat@clinic.test", "role": "patient", "full_name": "Pat Patient", "time_zone": "Europe/Berlin"}
    assert services.requests == [("PUT", f"auth-service/internal/accounts/{user['id']}", request | {"phone": "+49 30 1"})]
    assert await count_pending_users(admin) == 0


async def test_a_user_with_the_id_of_an_erased_patient_is_refused_and_not_kept(admin: RunningService, services: FakeServices) -> None:
    services.refuses_patients = True
    refused = await create_user(admin, PATIENT)
    assert (refused.status_code, refused.json()["code"], await count_pending_users(admin)) == (404, "no_such_patient", 0)


async def test_a_doctor_is_created_by_doctor_service(admin: RunningService, services: FakeServices) -> None:
    user = (await create_user(admin, DOCTOR | {"password": PASSWORD})).json()
    assert (user["role"], user["status"]) == ("doctor", "active")
    assert services.doctors[user["id"]] == {
        "email": "doc@clinic.test",
        "full_name": "Dora Doctor",
        "password": PASSWORD,
        "specialties": ["Cardiology"],
        "title": "Dr.",
    }
    assert await count_pending_users(admin) == 0


@pytest.mark.parametrize("role", ["patient", "doctor", "reception", "admin"])
async def test_a_user_without_time_zone_is_created_without_one(admin: RunningService, services: FakeServices, role: str) -> None:
    """The owner of the profile decides: patients and staff follow the clinic, a doctor gets the clinic's zone."""
    await create_user(admin, {"email": "a@x.test", "role": role, "full_name": "A"})
    await create_user(admin, {"email": "b@x.test", "role": role, "full_name": "B", "time_zone": "UTC"})
    bodies = [body for method, _, body in services.requests if method == "PUT"]
    assert [body.get("time_zone") for body in bodies] == [None, "UTC"]


@pytest.mark.parametrize("role", ["reception", "admin"])
async def test_staff_are_created_with_a_password_or_invited(admin: RunningService, role: str) -> None:
    first = await create_user(admin, {"email": "a@x.test", "role": role, "full_name": "A", "password": PASSWORD})
    second = await create_user(admin, {"email": "b@x.test", "role": role, "full_name": "B"})
    assert [first.json()["status"], second.json()["status"]] == ["active", "invited"]


async def test_the_same_idempotency_key_creates_one_user(admin: RunningService, services: FakeServices) -> None:
    responses = [await create_user(admin, PATIENT, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert responses[0].content == responses[1].content
    assert responses[1].headers["idempotent-replayed"] == "true"
    assert len(services.accounts) == 1


@pytest.mark.parametrize("body", [PATIENT, DOCTOR])
async def test_a_taken_email_address_leaves_nothing_behind(admin: RunningService, services: FakeServices, body: dict[str, Any]) -> None:
    services.add_account("patient", email=body["email"].lower())
    response = await create_user(admin, body)
    assert (response.status_code, response.json()["code"]) == (409, "email_taken")
    assert len(services.accounts) == 1
    assert await count_pending_users(admin) == 0


async def test_a_weak_password_is_refused_with_a_pointer_to_the_field(admin: RunningService) -> None:
    response = await create_user(admin, PATIENT | {"password": "short"})
    assert (response.status_code, response.json()["code"], response.json()["errors"][0]["pointer"]) == (
        422,
        "password_too_weak",
        "/password",
    )
    assert await count_pending_users(admin) == 0


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
async def test_an_invalid_field_is_named(admin: RunningService, services: FakeServices, change: dict[str, Any], pointer: str) -> None:
    response = await create_user(admin, PATIENT | change)
    assert response.status_code == 422, response.text
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert services.requests == []


async def test_a_repeat_after_a_503_uses_the_password(admin: RunningService, services: FakeServices) -> None:
    services.unreachable = {"auth-service"}
    unavailable = await create_user(admin, PATIENT | {"password": PASSWORD}, **{"Idempotency-Key": "k"})
    assert (unavailable.status_code, unavailable.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in unavailable.headers
    services.unreachable = set()
    again = await create_user(admin, PATIENT | {"password": PASSWORD}, **{"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["status"]) == (201, "active")
    assert await count_pending_users(admin) == 0


@pytest.mark.parametrize(("body", "owner"), [(PATIENT, "auth-service"), (DOCTOR, "doctor-service")])
async def test_the_job_completes_an_interrupted_creation_by_invitation(
    admin: RunningService, services: FakeServices, body: dict[str, Any], owner: str
) -> None:
    services.unreachable = {owner}
    assert (await create_user(admin, body | {"password": PASSWORD})).status_code == 503
    services.unreachable = set()
    await admin.run_until_idle()
    assert services.accounts == {}, "the request may still run"
    admin.clock.advance(timedelta(seconds=61))
    await admin.run_until_idle()
    assert [account["status"] for account in services.accounts.values()] == ["invited"]
    assert await count_pending_users(admin) == 0


@pytest.mark.parametrize(("body", "owner"), [(PATIENT, "auth-service"), (DOCTOR, "doctor-service")])
async def test_a_lost_response_leaves_the_user_as_requested(
    admin: RunningService, services: FakeServices, body: dict[str, Any], owner: str
) -> None:
    services.losing_responses = {owner}
    assert (await create_user(admin, body | {"password": PASSWORD})).status_code == 503
    services.losing_responses = set()
    admin.clock.advance(timedelta(seconds=61))
    await admin.run_until_idle()
    assert [account["status"] for account in services.accounts.values()] == ["active"]
    assert await count_pending_users(admin) == 0


async def test_a_doctor_whose_account_cannot_be_read_stays_pending(admin: RunningService, services: FakeServices) -> None:
    services.unreachable = {"auth-service"}
    assert (await create_user(admin, DOCTOR, **{"Idempotency-Key": "k"})).status_code == 503
    assert await count_pending_users(admin) == 1
    services.unreachable = set()
    assert (await create_user(admin, DOCTOR, **{"Idempotency-Key": "k"})).status_code == 201


async def test_a_pending_user_who_is_refused_later_is_given_up(admin: RunningService, services: FakeServices) -> None:
    services.unreachable = {"auth-service"}
    await create_user(admin, PATIENT)
    services.unreachable = set()
    services.add_account("patient", email="pat@clinic.test")
    admin.clock.advance(timedelta(seconds=61))
    await admin.run_until_idle()
    assert (len(services.accounts), await count_pending_users(admin)) == (1, 0)


async def test_a_pending_user_is_retried_for_a_day(admin: RunningService, services: FakeServices) -> None:
    services.unreachable = {"auth-service"}
    await create_user(admin, PATIENT)
    for _ in range(3):
        admin.clock.advance(timedelta(seconds=61))
        await admin.run_until_idle()
    admin.clock.advance(timedelta(days=1))
    await admin.run_until_idle()
    services.unreachable = set()
    assert await count_pending_users(admin) == 0
    admin.clock.advance(timedelta(days=1))
    await admin.run_until_idle()
    assert services.accounts == {}


async def test_the_password_is_never_stored(admin: RunningService, services: FakeServices, tmp_path: Path) -> None:
    services.unreachable = {"auth-service"}
    await create_user(admin, PATIENT | {"password": PASSWORD})
    stored = all_bytes_in(tmp_path)
    assert b"pat@clinic.test" in stored
    assert PASSWORD.encode() not in stored
