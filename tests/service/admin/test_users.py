"""Finding, changing and disabling users over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.admin.fake_services import FakeServices
from tests.tokens import bearer, service_bearer

ADMIN_ID = UUID("11111111-1111-4111-8111-111111111111")
ADMIN = bearer(Role.ADMIN, ADMIN_ID)
ROUTES = [
    ("POST", "/admin/users"),
    ("GET", "/admin/users"),
    ("GET", f"/admin/users/{ADMIN_ID}"),
    ("PATCH", f"/admin/users/{ADMIN_ID}"),
    ("DELETE", f"/admin/users/{ADMIN_ID}"),
    ("GET", "/admin/audit"),
]
ROUTES_OF_RECEPTION = [
    ("GET", "/admin/appointments"),
    ("GET", f"/admin/appointments/{ADMIN_ID}"),
    ("PUT", f"/admin/appointments/{ADMIN_ID}"),
]


async def patch(admin: RunningService, user: dict[str, Any], body: Any, tag: str = '"1"') -> httpx.Response:
    return await admin.http.patch(f"/admin/users/{user['id']}", json=body, headers=ADMIN | {"If-Match": tag})


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_admins_may_call_these_routes(admin: RunningService, services: FakeServices, method: str, path: str) -> None:
    assert (await admin.http.request(method, path)).status_code == 401
    for headers in (*(bearer(role) for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION)), service_bearer("auth-service")):
        assert (await admin.http.request(method, path, headers=headers)).status_code == 403
    assert services.requests == []


@pytest.mark.parametrize(("method", "path"), ROUTES_OF_RECEPTION)
async def test_only_admins_and_reception_may_call_these_routes(
    admin: RunningService, services: FakeServices, method: str, path: str
) -> None:
    for headers in ({}, bearer(Role.PATIENT), bearer(Role.DOCTOR), service_bearer("auth-service")):
        assert (await admin.http.request(method, path, headers=headers)).status_code == (403 if headers else 401)
    assert services.requests == []
    assert (await admin.http.request(method, path, headers=bearer(Role.RECEPTION))).status_code in (200, 404, 428)


async def test_a_user_is_answered_with_an_etag(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("patient", version=7)
    response = await admin.http.get(f"/admin/users/{user['id']}", headers=ADMIN)
    assert (response.status_code, response.headers["etag"], response.json()["email"]) == (200, '"7"', user["email"])
    missing = await admin.http.get(f"/admin/users/{uuid4()}", headers=ADMIN)
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_account")


async def test_the_list_is_a_page_of_auth_service(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("doctor")
    response = await admin.http.get("/admin/users?role=doctor&status=active&q=ada&limit=1&after=abc", headers=ADMIN)
    assert response.status_code == 200, response.text
    assert response.json()["items"] == [{name: user[name] for name in ("id", "email", "full_name", "role", "status", "version")}]
    assert response.json()["next"] == "bmV4dA"
    assert response.headers["link"] == '</admin/users?role=doctor&status=active&q=ada&limit=1&after=bmV4dA>; rel="next"'
    assert services.queries == [[("role", "doctor"), ("status", "active"), ("q", "ada"), ("limit", "1"), ("after", "abc")]]


@pytest.mark.parametrize("query", ["role=service", "status=pending", "limit=0", "limit=101", "colour=red", "q=" + "x" * 201, "q=a%0Ab"])
async def test_an_unknown_or_invalid_filter_is_refused(admin: RunningService, services: FakeServices, query: str) -> None:
    assert (await admin.http.get(f"/admin/users?{query}", headers=ADMIN)).status_code == 422
    assert services.requests == []


async def test_a_change_needs_the_current_version_in_if_match(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("reception", version=3)
    missing = await admin.http.patch(f"/admin/users/{user['id']}", json={"email": "new@x.test"}, headers=ADMIN)
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    stale = await patch(admin, user, {"email": "new@x.test"}, '"2"')
    assert (stale.status_code, stale.json()["version"]) == (412, 3)
    changed = await patch(admin, user, {"email": "new@x.test"}, '"3"')
    assert (changed.status_code, changed.json()["email"], changed.headers["etag"]) == (200, "new@x.test", '"4"')


@pytest.mark.parametrize("role", ["patient", "doctor"])
async def test_a_new_name_is_saved_in_the_profile_and_in_the_account(admin: RunningService, services: FakeServices, role: str) -> None:
    user = services.add_account(role)
    response = await patch(admin, user, {"full_name": "Eve Else"})
    assert (response.json()["full_name"], response.json()["version"]) == ("Eve Else", 2)
    assert services.renamed == {user["id"]: "Eve Else"}
    assert services.accounts[user["id"]]["full_name"] == "Eve Else"


async def test_patient_service_is_told_which_admin_renames_a_patient(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("patient")
    await patch(admin, user, {"full_name": "Eve Else"})
    (body,) = [body for _method, path, body in services.requests if path == f"patient-service/internal/patients/{user['id']}"]
    assert body == {"full_name": "Eve Else", "by": {"id": str(ADMIN_ID), "role": "admin"}}


async def test_a_new_name_of_staff_is_saved_in_the_account(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("reception")
    assert (await patch(admin, user, {"full_name": "Eve Else"})).json()["full_name"] == "Eve Else"
    assert services.renamed == {}


async def test_an_unchanged_name_changes_nothing(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("patient")
    assert (await patch(admin, user, {"full_name": user["full_name"]})).json()["version"] == 1


async def test_a_new_name_is_refused_with_an_outdated_version(admin: RunningService, services: FakeServices) -> None:
    assert (await patch(admin, services.add_account("doctor", version=3), {"full_name": "Eve Else"})).status_code == 412
    assert services.renamed == {}


async def test_a_user_who_becomes_a_doctor_gets_a_profile_that_counts_once_the_role_is_decided(
    admin: RunningService, services: FakeServices
) -> None:
    user = services.add_account("reception")
    response = await patch(admin, user, {"role": "doctor"})
    assert (response.status_code, response.json()["role"]) == (200, "doctor")
    assert [(method, path.partition("/")[0]) for method, path, _ in services.requests] == [
        ("GET", "auth-service"),
        ("PUT", "doctor-service"),
        ("PATCH", "auth-service"),
        ("PUT", "doctor-service"),
    ]
    assert services.doctors[user["id"]] == {"email": user["email"], "full_name": user["full_name"]}
    assert services.prepared == {}


@pytest.mark.parametrize(("role", "tag", "status"), [("admin", '"1"', 409), ("reception", '"7"', 412)])
async def test_a_refused_role_leaves_no_profile(admin: RunningService, services: FakeServices, role: str, tag: str, status: int) -> None:
    user = services.add_account(role)
    assert (await patch(admin, user, {"role": "doctor"}, tag)).status_code == status
    assert (services.doctors, services.prepared) == ({}, {})


@pytest.mark.parametrize("change", [{"role": "doctor"}, {"email": "new@x.test"}, {"full_name": "Eve Else"}, {"status": "disabled"}])
async def test_a_change_whose_response_was_lost_is_made_once(admin: RunningService, services: FakeServices, change: dict[str, str]) -> None:
    user = services.add_account("reception")
    services.loses_next_response = None if "role" in change else "auth-service"
    assert (await patch(admin, user, change)).status_code == 200
    assert (user["version"], user | change) == (2, user)


async def test_a_client_that_repeats_a_change_gets_its_result(admin: RunningService, services: FakeServices) -> None:
    """The role was decided, but doctor-service did not answer after that."""
    user = services.add_account("reception")
    services.loses_next_response, services.unreachable = "auth-service", set()
    services.losing_responses = {"auth-service"}
    assert (await patch(admin, user, {"email": "new@x.test"})).status_code == 503
    services.losing_responses = set()
    repeated = await patch(admin, user, {"email": "new@x.test"})
    assert (repeated.status_code, repeated.json()["email"], user["version"]) == (200, "new@x.test", 2)
    assert (await patch(admin, user, {"email": "other@x.test"})).status_code == 412, "another change of the old version"


async def test_disabling_whose_response_was_lost_can_be_repeated(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("patient")
    appointment = services.add_appointment(str(uuid4()), "2026-03-09T09:00:00Z", patient_id=user["id"])
    services.losing_responses = {"appointment-service"}
    path, headers = f"/admin/users/{user['id']}?appointments=cancel", ADMIN | {"If-Match": '"1"'}
    assert (await admin.http.delete(path, headers=headers)).status_code == 503
    services.losing_responses = set()
    assert (await admin.http.delete(path, headers=headers)).status_code == 200
    assert (user["status"], user["version"], appointment["status"]) == ("disabled", 2, "cancelled")


async def test_a_user_without_the_profile_does_not_become_a_doctor(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("reception")
    services.unreachable = {"doctor-service"}
    assert (await patch(admin, user, {"role": "doctor"})).status_code == 503
    assert services.accounts[user["id"]]["role"] == "reception"


async def test_refusals_of_auth_service_are_passed_on(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("admin")
    for change in ({"role": "patient"}, {"status": "disabled"}):
        response = await patch(admin, user, change)
        assert (response.status_code, response.json()["code"]) == (409, "last_admin")
    disabled = await admin.http.delete(f"/admin/users/{user['id']}", headers=ADMIN)
    assert (disabled.status_code, disabled.json()["code"]) == (409, "last_admin")
    assert (await patch(admin, {"id": str(uuid4())}, {"role": "admin"})).status_code == 404


@pytest.mark.parametrize("body", [{"email": None}, {"role": "service"}, {"status": "invited"}, {"id": "x"}, {"full_name": ""}, [], "x"])
async def test_an_invalid_change_is_refused(admin: RunningService, services: FakeServices, body: Any) -> None:
    assert (await patch(admin, services.add_account("patient"), body)).status_code == 422
    assert services.requests == []


async def test_disabling_a_doctor_lists_their_future_appointments(admin: RunningService, services: FakeServices) -> None:
    doctor = services.add_account("doctor")
    booked = services.add_appointment(doctor["id"], "2026-03-09T09:00:00Z")
    requested = services.add_appointment(doctor["id"], "2026-03-10T09:00:00Z", "requested")
    services.add_appointment(doctor["id"], "2026-03-01T09:00:00Z")
    services.add_appointment(doctor["id"], "2026-03-09T11:00:00Z", "cancelled")
    services.add_appointment(str(uuid4()), "2026-03-09T09:00:00Z")
    response = await admin.http.delete(f"/admin/users/{doctor['id']}", headers=ADMIN)
    assert response.status_code == 200, response.text
    assert (response.json()["id"], response.json()["status"], response.headers["etag"]) == (doctor["id"], "disabled", '"2"')
    assert response.json()["future_appointments"] == [
        {name: appointment[name] for name in ("id", "starts_at")} for appointment in (booked, requested)
    ]
    assert booked["status"] == "booked"


async def test_disabling_cancels_all_future_appointments_if_requested(admin: RunningService, services: FakeServices) -> None:
    patient = services.add_account("patient")
    appointments = [services.add_appointment(str(uuid4()), f"2026-03-{day:02}T09:00:00Z", patient_id=patient["id"]) for day in range(3, 29)]
    appointments += [services.add_appointment(str(uuid4()), "2026-04-01T09:00:00Z", patient_id=patient["id"]) for _ in range(100)]
    response = await admin.http.delete(f"/admin/users/{patient['id']}?appointments=cancel", headers=ADMIN | {"If-Match": '"1"'})
    assert len(response.json()["future_appointments"]) == 126, "two pages"
    assert {appointment["status"] for appointment in appointments} == {"cancelled"}
    assert {appointment["cancelled_by"] for appointment in appointments} == {str(ADMIN_ID)}
    repeated = await admin.http.delete(f"/admin/users/{patient['id']}?appointments=cancel", headers=ADMIN)
    assert (repeated.status_code, repeated.json()["future_appointments"], repeated.json()["version"]) == (200, [], 2)


async def test_an_appointment_that_cannot_be_cancelled_does_not_stop_the_others(admin: RunningService, services: FakeServices) -> None:
    doctor = services.add_account("doctor")
    first, second = (services.add_appointment(doctor["id"], f"2026-03-09T{hour}:00:00Z") for hour in (10, 11))
    services.checks_in_after_listing = first
    response = await admin.http.delete(f"/admin/users/{doctor['id']}?appointments=cancel", headers=ADMIN)
    assert (response.status_code, first["status"], second["status"]) == (200, "checked_in", "cancelled")


async def test_staff_have_no_appointments(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("reception")
    services.unreachable = {"appointment-service"}
    assert (await admin.http.delete(f"/admin/users/{user['id']}", headers=ADMIN)).json()["future_appointments"] == []


async def test_an_outdated_or_invalid_request_to_disable_changes_nothing(admin: RunningService, services: FakeServices) -> None:
    user = services.add_account("patient")
    path = f"/admin/users/{user['id']}"
    assert (await admin.http.delete(path, headers=ADMIN | {"If-Match": '"9"'})).status_code == 412
    assert (await admin.http.delete(path + "?appointments=keep", headers=ADMIN)).status_code == 422
    assert user["status"] == "active"


async def test_a_repeat_continues_an_interrupted_cancellation(admin: RunningService, services: FakeServices) -> None:
    patient = services.add_account("patient")
    appointment = services.add_appointment(str(uuid4()), "2026-03-09T09:00:00Z", patient_id=patient["id"])
    services.unreachable = {"appointment-service"}
    path = f"/admin/users/{patient['id']}?appointments=cancel"
    assert (await admin.http.delete(path, headers=ADMIN)).status_code == 503
    assert (patient["status"], appointment["status"]) == ("disabled", "booked")
    services.unreachable = set()
    assert (await admin.http.delete(path, headers=ADMIN)).status_code == 200
    assert appointment["status"] == "cancelled"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/admin/users"), ("GET", f"/admin/users/{ADMIN_ID}"), ("GET", f"/admin/appointments/{ADMIN_ID}")]
)
async def test_an_unreachable_service_is_answered_with_503(admin: RunningService, services: FakeServices, method: str, path: str) -> None:
    services.unreachable = {"auth-service", "appointment-service"}
    response = await admin.http.request(method, path, headers=ADMIN)
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in response.headers
