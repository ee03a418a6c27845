"""Appointments over HTTP, as appointment-service answers them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.admin.fake_services import FakeServices
from tests.tokens import bearer

ADMIN_ID = UUID("11111111-1111-4111-8111-111111111111")
ADMIN = bearer(Role.ADMIN, ADMIN_ID)
DOCTOR = str(uuid4())


async def put(admin: RunningService, appointment: dict[str, Any], body: Any, **headers: str) -> httpx.Response:
    return await admin.http.put(f"/admin/appointments/{appointment['id']}", json=body, headers=ADMIN | headers)


async def test_an_appointment_is_passed_through_with_all_its_fields(admin: RunningService, services: FakeServices) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z", version=5, local_start="2026-03-09T10:00", reason=None)
    response = await admin.http.get(f"/admin/appointments/{appointment['id']}", headers=ADMIN)
    assert (response.status_code, response.headers["etag"]) == (200, '"5"')
    assert response.json() == appointment


async def test_all_filters_are_passed_on(admin: RunningService, services: FakeServices) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z")
    query = (
        f"status=booked&status=requested&doctor_id={DOCTOR}&doctor_id={ADMIN_ID}&patient_id={appointment['patient_id']}&service_id={ADMIN_ID}"
        "&from=2026-03-09T08:00:00%2B01:00&to=2026-03-10T00:00:00Z&sort=-starts_at&limit=10&after=0"
    )
    response = await admin.http.get(f"/admin/appointments?{query}", headers=ADMIN)
    assert response.status_code == 200, response.text
    assert response.json() == {"items": [appointment], "next": None}
    assert sorted(services.queries[0]) == sorted(
        [
            ("status", "booked"),
            ("status", "requested"),
            ("doctor_id", DOCTOR),
            ("doctor_id", str(ADMIN_ID)),
            ("patient_id", appointment["patient_id"]),
            ("service_id", str(ADMIN_ID)),
            ("from", "2026-03-09T07:00:00Z"),
            ("to", "2026-03-10T00:00:00Z"),
            ("sort", "-starts_at"),
            ("limit", "10"),
            ("after", "0"),
        ]
    )


async def test_each_page_has_a_link_to_the_next(admin: RunningService, services: FakeServices) -> None:
    appointments = [services.add_appointment(DOCTOR, f"2026-03-09T{hour:02}:00:00Z") for hour in range(8, 13)]
    listed, path = [], "/admin/appointments?limit=2"
    while path:
        page = await admin.http.get(path, headers=ADMIN)
        listed += [item["id"] for item in page.json()["items"]]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert listed == [appointment["id"] for appointment in appointments]


async def test_refusals_of_appointment_service_are_passed_on(admin: RunningService) -> None:
    response = await admin.http.get("/admin/appointments?sort=colour", headers=ADMIN)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/sort")
    missing = await admin.http.get(f"/admin/appointments/{uuid4()}", headers=ADMIN)
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_appointment")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("doctor_id=x", "validation_failed"),
        ("from=2026-03-09T08:00:00", "offset_required"),
        ("colour=red", "unknown_parameter"),
        ("limit=101", "validation_failed"),
    ],
)
async def test_an_unknown_or_invalid_filter_is_refused(admin: RunningService, services: FakeServices, query: str, code: str) -> None:
    response = await admin.http.get(f"/admin/appointments?{query}", headers=ADMIN)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert services.requests == []


async def test_a_change_passes_on_the_admin_and_the_version(admin: RunningService, services: FakeServices) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z")
    body = {"starts_at": "2026-03-09T12:00:00+01:00", "doctor_id": str(ADMIN_ID), "status": "booked", "reason": "asked by phone"}
    response = await put(admin, appointment, body, **{"If-Match": '"1"'})
    assert (response.status_code, response.headers["etag"], response.json()["starts_at"]) == (200, '"2"', "2026-03-09T11:00:00Z")
    added = {"by": {"id": str(ADMIN_ID), "role": "admin"}, "expected_version": 1}
    sent = services.requests[0][2]
    assert UUID(sent.pop("operation_id"))
    assert sent == body | added | {"starts_at": "2026-03-09T11:00:00Z"}


async def test_the_reception_reads_and_changes_appointments_and_names_the_rule_that_it_lifts(
    admin: RunningService, services: FakeServices
) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z")
    reception = bearer(Role.RECEPTION, ADMIN_ID)
    for path in ("/admin/appointments", f"/admin/appointments/{appointment['id']}"):
        assert (await admin.http.get(path, headers=reception)).status_code == 200
    override = {"code": "overbook", "reason": "In acute pain"}
    body = {"starts_at": "2026-03-09T11:00:00Z", "reason": "asked by phone", "override": override}
    url = f"/admin/appointments/{appointment['id']}"
    response = await admin.http.put(url, json=body, headers=reception | {"If-Match": "*"})
    sent = services.requests[-1][2]
    assert (response.status_code, sent["by"]["role"], sent["override"]) == (200, "reception", override)


@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR])
async def test_no_one_else_reaches_the_appointments_of_all(admin: RunningService, services: FakeServices, role: Role) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z")
    url, caller = f"/admin/appointments/{appointment['id']}", bearer(role, ADMIN_ID)
    body = {"starts_at": "2026-03-09T11:00:00Z", "reason": "x", "override": {"code": "overbook", "reason": "x"}}
    answers = [
        await admin.http.get("/admin/appointments", headers=caller),
        await admin.http.get(url, headers=caller),
        await admin.http.put(url, json=body, headers=caller | {"If-Match": "*"}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert services.requests == []


async def test_a_change_whose_response_was_lost_is_made_once(admin: RunningService, services: FakeServices) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z")
    services.loses_next_response = "appointment-service"
    cancelled = await put(admin, appointment, {"status": "cancelled", "reason": "ill"}, **{"If-Match": '"1"'})
    assert (cancelled.status_code, cancelled.json()["status"], cancelled.json()["version"]) == (200, "cancelled", 2)
    assert len({body["operation_id"] for _, _, body in services.requests}) == 1


async def test_a_client_that_repeats_a_change_of_one_version_gets_its_result(admin: RunningService, services: FakeServices) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z")
    services.losing_responses = {"appointment-service"}
    body: dict[str, Any] = {"status": "cancelled", "reason": "ill"}
    assert (await put(admin, appointment, body, **{"If-Match": '"1"'})).status_code == 503
    services.losing_responses = set()
    assert (await put(admin, appointment, body, **{"If-Match": '"1"'})).json()["version"] == 2
    assert (await put(admin, appointment, body | {"reason": "other"}, **{"If-Match": '"1"'})).status_code == 412


async def test_changes_of_any_version_are_different_unless_they_have_the_same_key(admin: RunningService, services: FakeServices) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z")
    for headers, version in (({}, 2), ({}, 3), ({"Idempotency-Key": "a"}, 4), ({"Idempotency-Key": "a"}, 4)):
        changed = await put(admin, appointment, {"status": "booked", "reason": "x"}, **{"If-Match": "*"}, **headers)
        assert changed.json()["version"] == version


async def test_a_change_needs_the_current_version_in_if_match(admin: RunningService, services: FakeServices) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z")
    body = {"status": "cancelled", "reason": "ill"}
    assert (await put(admin, appointment, body)).status_code == 428
    stale = await put(admin, appointment, body, **{"If-Match": '"4"'})
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "stale_version", 1)
    assert (await put(admin, appointment, body, **{"If-Match": "*"})).status_code == 200
    assert (await put(admin, {"id": str(uuid4())}, body, **{"If-Match": "*"})).status_code == 404


async def test_a_taken_time_is_refused_with_alternatives(admin: RunningService, services: FakeServices) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T08:00:00Z")
    response = await put(admin, appointment, {"starts_at": "2026-03-09T09:00:00Z", "reason": "x"}, **{"If-Match": '"1"'})
    assert (response.status_code, response.json()["code"]) == (409, "slot_taken")
    assert response.json()["alternatives"] == [{"doctor_id": DOCTOR, "starts_at": "2026-03-09T10:00:00Z"}]


@pytest.mark.parametrize(
    "body",
    [
        {"status": "booked"},
        {"reason": " "},
        {"reason": "x", "starts_at": "2026-03-09T10:00:00Z", "override": {"code": "overbook"}},
        {"reason": "x", "starts_at": "2026-03-09T10:00:00Z", "override": {"code": "everything", "reason": "x"}},
        {"reason": "x", "starts_at": "2026-03-09T09:00:00"},
        {"reason": "x", "doctor_id": "any"},
        {"reason": "x", "status": "<b>"},
    ],
)
async def test_an_invalid_change_is_refused(admin: RunningService, services: FakeServices, body: dict[str, Any]) -> None:
    appointment = services.add_appointment(DOCTOR, "2026-03-09T09:00:00Z")
    assert (await put(admin, appointment, body, **{"If-Match": '"1"'})).status_code == 422
    assert services.requests == []
