"""Finding, changing and disabling users over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.admin.clinic import Clinic
from tests.tokens import bearer, service_bearer

ME = UUID("11111111-1111-4111-8111-111111111111")
ADMIN = bearer(Role.ADMIN, ME)
ROUTES = [
    ("POST", "/admin/users"),
    ("GET", "/admin/users"),
    ("GET", f"/admin/users/{ME}"),
    ("PATCH", f"/admin/users/{ME}"),
    ("DELETE", f"/admin/users/{ME}"),
    ("GET", "/admin/appointments"),
    ("GET", f"/admin/appointments/{ME}"),
    ("PUT", f"/admin/appointments/{ME}"),
]


async def patch(here: RunningService, user: dict[str, Any], body: Any, tag: str = '"1"') -> httpx.Response:
    return await here.http.patch(f"/admin/users/{user['id']}", json=body, headers=ADMIN | {"If-Match": tag})


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_admins_come_in(here: RunningService, clinic: Clinic, method: str, path: str) -> None:
    assert (await here.http.request(method, path)).status_code == 401
    for headers in (*(bearer(role) for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION)), service_bearer("auth-service")):
        assert (await here.http.request(method, path, headers=headers)).status_code == 403
    assert clinic.asked == []


async def test_a_user_is_found_with_their_version(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("patient", version=7)
    answer = await here.http.get(f"/admin/users/{user['id']}", headers=ADMIN)
    assert (answer.status_code, answer.headers["etag"], answer.json()["email"]) == (200, '"7"', user["email"])
    nobody = await here.http.get(f"/admin/users/{uuid4()}", headers=ADMIN)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "no_such_account")


async def test_the_list_is_auth_services_page(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("doctor")
    answer = await here.http.get("/admin/users?role=doctor&status=active&q=ada&limit=1&after=abc", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"] == [{name: user[name] for name in ("id", "email", "full_name", "role", "status", "version")}]
    assert answer.json()["next"] == "bmV4dA"
    assert answer.headers["link"] == '</admin/users?role=doctor&status=active&q=ada&limit=1&after=bmV4dA>; rel="next"'
    assert clinic.queries == [[("role", "doctor"), ("status", "active"), ("q", "ada"), ("limit", "1"), ("after", "abc")]]


@pytest.mark.parametrize("query", ["role=service", "status=pending", "limit=0", "limit=101", "colour=red", "q=" + "x" * 201])
async def test_a_strange_filter_is_refused(here: RunningService, clinic: Clinic, query: str) -> None:
    assert (await here.http.get(f"/admin/users?{query}", headers=ADMIN)).status_code == 422
    assert clinic.asked == []


async def test_a_change_needs_the_version_that_was_read(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("reception", version=3)
    missing = await here.http.patch(f"/admin/users/{user['id']}", json={"email": "new@x.test"}, headers=ADMIN)
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    stale = await patch(here, user, {"email": "new@x.test"}, '"2"')
    assert (stale.status_code, stale.json()["version"]) == (412, 3)
    changed = await patch(here, user, {"email": "new@x.test"}, '"3"')
    assert (changed.status_code, changed.json()["email"], changed.headers["etag"]) == (200, "new@x.test", '"4"')


@pytest.mark.parametrize("role", ["patient", "doctor"])
async def test_the_name_goes_to_its_owner_and_to_the_copy(here: RunningService, clinic: Clinic, role: str) -> None:
    user = clinic.account(role)
    answer = await patch(here, user, {"full_name": "Eve Else"})
    assert (answer.json()["full_name"], answer.json()["version"]) == ("Eve Else", 2)
    assert clinic.names == {user["id"]: "Eve Else"}
    assert clinic.accounts[user["id"]]["full_name"] == "Eve Else"


async def test_the_name_of_staff_is_auth_services(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("reception")
    assert (await patch(here, user, {"full_name": "Eve Else"})).json()["full_name"] == "Eve Else"
    assert clinic.names == {}


async def test_an_unchanged_name_asks_nobody(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("patient")
    assert (await patch(here, user, {"full_name": user["full_name"]})).json()["version"] == 1
    assert [asked[0] for asked in clinic.asked] == ["GET"]


async def test_whoever_becomes_a_doctor_has_the_profile_first(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("reception")
    answer = await patch(here, user, {"role": "doctor"})
    assert (answer.status_code, answer.json()["role"]) == (200, "doctor")
    profile = {"email": user["email"], "full_name": user["full_name"], "time_zone": "UTC"}
    assert [asked[1:] for asked in clinic.asked[1:]] == [
        (f"doctor-service/internal/doctors/{user['id']}", profile),
        (f"auth-service/internal/accounts/{user['id']}", {"role": "doctor", "expected_version": 1}),
    ]


async def test_without_the_profile_nobody_becomes_a_doctor(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("reception")
    clinic.down = {"doctor-service"}
    assert (await patch(here, user, {"role": "doctor"})).status_code == 503
    assert clinic.accounts[user["id"]]["role"] == "reception"


async def test_refusals_of_auth_service_arrive_unchanged(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("admin")
    for change in ({"role": "patient"}, {"status": "disabled"}):
        answer = await patch(here, user, change)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    gone = await here.http.delete(f"/admin/users/{user['id']}", headers=ADMIN)
    assert (gone.status_code, gone.json()["code"]) == (409, "last_admin")
    assert (await patch(here, {"id": str(uuid4())}, {"role": "admin"})).status_code == 404


@pytest.mark.parametrize("body", [{"email": None}, {"role": "service"}, {"status": "invited"}, {"id": "x"}, {"full_name": ""}, [], "x"])
async def test_a_wrong_change_is_refused(here: RunningService, clinic: Clinic, body: Any) -> None:
    assert (await patch(here, clinic.account("patient"), body)).status_code == 422
    assert clinic.asked == []


async def test_dismissing_a_doctor_tells_what_was_to_come(here: RunningService, clinic: Clinic) -> None:
    doctor = clinic.account("doctor")
    booked = clinic.appointment(doctor["id"], "2026-03-09T09:00:00Z")
    asked_for = clinic.appointment(doctor["id"], "2026-03-10T09:00:00Z", "requested")
    clinic.appointment(doctor["id"], "2026-03-01T09:00:00Z")
    clinic.appointment(doctor["id"], "2026-03-09T11:00:00Z", "cancelled")
    clinic.appointment(str(uuid4()), "2026-03-09T09:00:00Z")
    answer = await here.http.delete(f"/admin/users/{doctor['id']}", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], answer.json()["status"], answer.headers["etag"]) == (doctor["id"], "disabled", '"2"')
    assert answer.json()["future_appointments"] == [{"id": a["id"], "starts_at": a["starts_at"]} for a in (booked, asked_for)]
    assert booked["status"] == "booked"


async def test_dismissing_cancels_when_asked_and_goes_on_past_what_cannot_be(here: RunningService, clinic: Clinic) -> None:
    patient = clinic.account("patient")
    mine = [clinic.appointment(str(uuid4()), f"2026-03-{day:02}T09:00:00Z", patient_id=patient["id"]) for day in range(3, 29)]
    mine += [clinic.appointment(str(uuid4()), "2026-04-01T09:00:00Z", patient_id=patient["id"]) for _ in range(100)]
    answer = await here.http.delete(f"/admin/users/{patient['id']}?appointments=cancel", headers=ADMIN | {"If-Match": '"1"'})
    assert len(answer.json()["future_appointments"]) == 126, "two pages"
    assert {a["status"] for a in mine} == {"cancelled"}
    assert {a["cancelled_by"] for a in mine} == {str(ME)}
    again = await here.http.delete(f"/admin/users/{patient['id']}?appointments=cancel", headers=ADMIN)
    assert (again.status_code, again.json()["future_appointments"], again.json()["version"]) == (200, [], 2)


async def test_one_that_moved_on_does_not_stop_the_others(here: RunningService, clinic: Clinic) -> None:
    doctor = clinic.account("doctor")
    first, second = (clinic.appointment(doctor["id"], f"2026-03-09T{hour}:00:00Z") for hour in (10, 11))
    clinic.moves_on = first
    answer = await here.http.delete(f"/admin/users/{doctor['id']}?appointments=cancel", headers=ADMIN)
    assert (answer.status_code, first["status"], second["status"]) == (200, "checked_in", "cancelled")


async def test_staff_have_no_appointments(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("reception")
    clinic.down = {"appointment-service"}
    assert (await here.http.delete(f"/admin/users/{user['id']}", headers=ADMIN)).json()["future_appointments"] == []


async def test_a_stale_or_strange_dismissal_changes_nothing(here: RunningService, clinic: Clinic) -> None:
    user = clinic.account("patient")
    path = f"/admin/users/{user['id']}"
    assert (await here.http.delete(path, headers=ADMIN | {"If-Match": '"9"'})).status_code == 412
    assert (await here.http.delete(path + "?appointments=keep", headers=ADMIN)).status_code == 422
    assert user["status"] == "active"


async def test_a_dismissal_interrupted_is_finished_by_a_repeat(here: RunningService, clinic: Clinic) -> None:
    patient = clinic.account("patient")
    one = clinic.appointment(str(uuid4()), "2026-03-09T09:00:00Z", patient_id=patient["id"])
    clinic.down = {"appointment-service"}
    path = f"/admin/users/{patient['id']}?appointments=cancel"
    assert (await here.http.delete(path, headers=ADMIN)).status_code == 503
    assert (patient["status"], one["status"]) == ("disabled", "booked")
    clinic.down = set()
    assert (await here.http.delete(path, headers=ADMIN)).status_code == 200
    assert one["status"] == "cancelled"


@pytest.mark.parametrize(("method", "path"), [("GET", "/admin/users"), ("GET", f"/admin/users/{ME}"), ("GET", f"/admin/appointments/{ME}")])
async def test_a_neighbour_that_is_down_is_a_503(here: RunningService, clinic: Clinic, method: str, path: str) -> None:
    clinic.down = {"auth-service", "appointment-service"}
    answer = await here.http.request(method, path, headers=ADMIN)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in answer.headers
