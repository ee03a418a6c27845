"""Every appointment, over HTTP: as appointment-service tells of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.admin.clinic import Clinic
from tests.tokens import bearer

ME = UUID("11111111-1111-4111-8111-111111111111")
ADMIN = bearer(Role.ADMIN, ME)
DOCTOR = str(uuid4())


async def put(here: RunningService, appointment: dict[str, Any], body: Any, **headers: str) -> httpx.Response:
    return await here.http.put(f"/admin/appointments/{appointment['id']}", json=body, headers=ADMIN | headers)


async def test_one_passes_through_whole(here: RunningService, clinic: Clinic) -> None:
    appointment = clinic.appointment(DOCTOR, "2026-03-09T09:00:00Z", version=5, local_start="2026-03-09T10:00", reason=None)
    answer = await here.http.get(f"/admin/appointments/{appointment['id']}", headers=ADMIN)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"5"')
    assert answer.json() == appointment


async def test_all_filters_are_passed_on(here: RunningService, clinic: Clinic) -> None:
    appointment = clinic.appointment(DOCTOR, "2026-03-09T09:00:00Z")
    query = (
        f"status=booked&status=requested&doctor_id={DOCTOR}&doctor_id={ME}&patient_id={appointment['patient_id']}&service_id={ME}"
        "&from=2026-03-09T08:00:00%2B01:00&to=2026-03-10T00:00:00Z&sort=-starts_at&limit=10&after=0"
    )
    answer = await here.http.get(f"/admin/appointments?{query}", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"items": [appointment], "next": None}
    assert sorted(clinic.queries[0]) == sorted(
        [
            ("status", "booked"),
            ("status", "requested"),
            ("doctor_id", DOCTOR),
            ("doctor_id", str(ME)),
            ("patient_id", appointment["patient_id"]),
            ("service_id", str(ME)),
            ("from", "2026-03-09T07:00:00Z"),
            ("to", "2026-03-10T00:00:00Z"),
            ("sort", "-starts_at"),
            ("limit", "10"),
            ("after", "0"),
        ]
    )


async def test_pages_are_linked(here: RunningService, clinic: Clinic) -> None:
    mine = [clinic.appointment(DOCTOR, f"2026-03-09T{hour:02}:00:00Z") for hour in range(8, 13)]
    seen, path = [], "/admin/appointments?limit=2"
    while path:
        page = await here.http.get(path, headers=ADMIN)
        seen += [item["id"] for item in page.json()["items"]]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == [appointment["id"] for appointment in mine]


async def test_what_appointment_service_refuses_is_refused(here: RunningService) -> None:
    answer = await here.http.get("/admin/appointments?sort=colour", headers=ADMIN)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/sort")
    nothing = await here.http.get(f"/admin/appointments/{uuid4()}", headers=ADMIN)
    assert (nothing.status_code, nothing.json()["code"]) == (404, "no_such_appointment")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("doctor_id=x", "validation_failed"),
        ("from=2026-03-09T08:00:00", "offset_required"),
        ("colour=red", "unknown_parameter"),
        ("limit=101", "validation_failed"),
    ],
)
async def test_a_strange_filter_is_refused(here: RunningService, clinic: Clinic, query: str, code: str) -> None:
    answer = await here.http.get(f"/admin/appointments?{query}", headers=ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert clinic.asked == []


async def test_a_change_names_the_admin_and_the_version(here: RunningService, clinic: Clinic) -> None:
    appointment = clinic.appointment(DOCTOR, "2026-03-09T09:00:00Z")
    body = {"starts_at": "2026-03-09T12:00:00+01:00", "doctor_id": str(ME), "status": "booked", "reason": "asked by phone"}
    answer = await put(here, appointment, body, **{"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"], answer.json()["starts_at"]) == (200, '"2"', "2026-03-09T11:00:00Z")
    by = {"by": {"id": str(ME), "role": "admin"}, "expected_version": 1}
    assert clinic.asked[0][2] == body | by | {"starts_at": "2026-03-09T11:00:00Z"}


async def test_a_change_needs_if_match_and_the_right_one(here: RunningService, clinic: Clinic) -> None:
    appointment = clinic.appointment(DOCTOR, "2026-03-09T09:00:00Z")
    body = {"status": "cancelled", "reason": "ill"}
    assert (await put(here, appointment, body)).status_code == 428
    stale = await put(here, appointment, body, **{"If-Match": '"4"'})
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "stale_version", 1)
    assert (await put(here, appointment, body, **{"If-Match": "*"})).status_code == 200
    assert (await put(here, {"id": str(uuid4())}, body, **{"If-Match": "*"})).status_code == 404


async def test_a_taken_time_brings_its_alternatives(here: RunningService, clinic: Clinic) -> None:
    appointment = clinic.appointment(DOCTOR, "2026-03-09T08:00:00Z")
    answer = await put(here, appointment, {"starts_at": "2026-03-09T09:00:00Z", "reason": "x"}, **{"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["code"]) == (409, "slot_taken")
    assert answer.json()["alternatives"] == [{"doctor_id": DOCTOR, "starts_at": "2026-03-09T10:00:00Z"}]


@pytest.mark.parametrize(
    "body",
    [
        {"status": "booked"},
        {"reason": " "},
        {"reason": "x", "override": {"code": "overbook", "reason": "x"}},
        {"reason": "x", "starts_at": "2026-03-09T09:00:00"},
        {"reason": "x", "doctor_id": "any"},
        {"reason": "x", "status": "<b>"},
    ],
)
async def test_a_wrong_change_is_refused(here: RunningService, clinic: Clinic, body: dict[str, Any]) -> None:
    appointment = clinic.appointment(DOCTOR, "2026-03-09T09:00:00Z")
    assert (await put(here, appointment, body, **{"If-Match": '"1"'})).status_code == 422
    assert clinic.asked == []
