"""Lists: callers see their own appointments, in order, page by page; and the internal routes for admin-service."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.service.appointment.clinic import ADMIN, ADMIN_SERVICE, ANNA, BO, DESK, DR_GRAU, DR_WEISS, RunningClinic
from tests.tokens import service_bearer
from tests.unit.appointment.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, PATIENT, STRANGER, TEN

BY = {"id": str(UUID(int=7)), "role": "admin"}


async def starts(clinic: RunningClinic, path: str, caller: dict[str, str] = ANNA) -> list[str]:
    response = await clinic.get(path, caller)
    assert response.status_code == 200, response.text
    return [item["starts_at"][8:16] for item in response.json()["items"]]


async def a_week(clinic: RunningClinic) -> list[dict[str, Any]]:
    """In the order of booking: Anna on Monday at 9 and 8 (UTC), Bo on Tuesday at 8 with the colleague."""
    tuesday = (NINE + timedelta(days=1)).isoformat()
    bookings = [(ANNA, {"starts_at": TEN.isoformat()}), (ANNA, {}), (BO, {"starts_at": tuesday, "doctor_id": str(COLLEAGUE)})]
    appointments = []
    for caller, request in bookings:
        appointments.append(await clinic.booked(caller, **request))
        clinic.service.clock.advance(timedelta(seconds=1))
    return appointments


async def test_callers_see_their_own_appointments(clinic: RunningClinic) -> None:
    await a_week(clinic)
    anna, bo = ["09T08:00", "09T09:00"], ["10T08:00"]
    for caller, seen in ((ANNA, anna), (BO, bo), (DR_WEISS, anna), (DR_GRAU, bo), (DESK, anna + bo), (ADMIN, anna + bo)):
        assert await starts(clinic, "/appointments", caller) == seen
    assert await starts(clinic, f"/appointments?patient_id={STRANGER}", ANNA) == []
    assert await starts(clinic, f"/appointments?doctor_id={COLLEAGUE}", DR_WEISS) == []
    assert (await clinic.service.http.get("/appointments")).status_code == 401


STARTS_BY_QUERY = {
    "sort=-starts_at": ["10T08:00", "09T09:00", "09T08:00"],
    "sort=created_at": ["09T09:00", "09T08:00", "10T08:00"],
    "sort=-created_at": ["10T08:00", "09T08:00", "09T09:00"],
    f"doctor_id={DOCTOR}&doctor_id={COLLEAGUE}&patient_id={STRANGER}": ["10T08:00"],
    "from=2026-03-09T09:00:00Z&to=2026-03-10T08:00:00Z": ["09T09:00"],
    "status=cancelled&status=refused": [],
    f"service_id={UUID(int=404)}": [],
    f"service_id={CHECKUP}&status=booked&limit=1": ["09T08:00"],
}


async def test_filters_and_orders(clinic: RunningClinic) -> None:
    await a_week(clinic)
    assert {query: await starts(clinic, f"/appointments?{query}", DESK) for query in STARTS_BY_QUERY} == STARTS_BY_QUERY


@pytest.mark.parametrize("sort", ["starts_at", "-starts_at", "created_at", "-created_at"])
async def test_pages_have_neither_gaps_nor_repeats_while_rows_are_added(clinic: RunningClinic, sort: str) -> None:
    for number in range(5):
        await clinic.booked(starts_at=(NINE + number * timedelta(hours=1)).isoformat())
    first = await clinic.get(f"/appointments?limit=2&sort={sort}", DESK)
    seen, page = [item["id"] for item in first.json()["items"]], first.json()
    before = {item["id"] for item in (await clinic.get("/appointments?limit=100", DESK)).json()["items"]}
    await clinic.booked(BO, starts_at=(NINE - timedelta(hours=1)).isoformat())
    assert first.headers["link"].endswith('rel="next"')
    while page["next"]:
        page = (await clinic.get(f"/appointments?limit=2&sort={sort}&after={page['next']}", DESK)).json()
        seen += [item["id"] for item in page["items"]]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def cursor(*key: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


AN_ID = str(UUID(int=1))
INVALID_CURSOR_KEYS = [
    (),
    ("1",),
    ("1", "2"),
    ("1", AN_ID, "3"),
    ("9" * 300, AN_ID),
    (1, 2),
    ("1e3", AN_ID),
    ("nan", AN_ID),
    (str(2**63), AN_ID),
    (None, None),
]


async def test_a_hostile_cursor_is_refused(clinic: RunningClinic) -> None:
    for after in ("x", "!!", *(cursor(*key) for key in INVALID_CURSOR_KEYS)):
        response = await clinic.get(f"/appointments?after={after}")
        assert (response.status_code, response.json()["code"]) == (422, "bad_cursor"), after


async def test_a_wrong_filter_is_refused(clinic: RunningClinic) -> None:
    wrong = (
        "limit=0",
        "limit=101",
        "sort=price",
        "status=lost",
        "from=2026-03-09T09:00:00",
        "doctor_id=x",
        "colour=red",
        "owner_patient_id=x",
    )
    for query in wrong:
        assert (await clinic.get(f"/appointments?{query}")).status_code == 422, query


async def put(clinic: RunningClinic, appointment: dict[str, Any], **body: Any) -> httpx.Response:
    fields = {"by": BY, "reason": "phone call"} | body
    return await clinic.service.http.put(f"/internal/appointments/{appointment['id']}", json=fields, headers=ADMIN_SERVICE)


async def test_admin_service_sees_and_changes_everything(clinic: RunningClinic) -> None:
    appointment, _, _ = await a_week(clinic)
    assert len(await starts(clinic, f"/internal/appointments?patient_id={PATIENT}", ADMIN_SERVICE)) == 2
    assert (await clinic.get(f"/internal/appointments/{appointment['id']}", ADMIN_SERVICE)).json() == appointment
    move: dict[str, Any] = {"starts_at": (TEN + timedelta(hours=1)).isoformat(), "status": "checked_in", "expected_version": 2}
    early = await put(clinic, appointment, **move)
    assert (early.status_code, early.json()["code"]) == (409, "too_early")
    assert (await clinic.get(f"/internal/appointments/{appointment['id']}", ADMIN_SERVICE)).json() == appointment, "both are aborted"
    clinic.service.clock.set(NINE)
    moved = await put(clinic, appointment, **move)
    assert (moved.status_code, moved.json()["status"], moved.json()["version"]) == (200, "checked_in", 4)
    stale = await put(clinic, appointment, status="completed", expected_version=2)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    illegal = await put(clinic, appointment, status="cancelled")
    assert (illegal.status_code, illegal.json()["allowed"]) == (409, ["booked", "completed", "in_progress"])
    history = (await clinic.get(f"/appointments/{appointment['id']}/history")).json()["items"]
    assert [(entry["action"], entry["actor"], entry["note"]) for entry in history[1:]] == [
        ("rescheduled", BY, "phone call"),
        ("checked_in", BY, "phone call"),
    ]


async def test_admin_service_cancels_for_an_admin(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    path = f"/internal/appointments/{appointment['id']}/cancel"
    for _ in range(2):
        response = await clinic.service.http.post(path, json={"by": BY, "reason": "closed"}, headers=ADMIN_SERVICE)
        assert (response.status_code, response.json()["cancel_reason"]) == (200, "closed")
    assert await clinic.published() == ["booked", "cancelled"]


@pytest.mark.parametrize(
    "body", [{}, {"status": "expired"}, {"status": "booked", "reason": ""}, {"status": "booked", "by": None}, {"x": 1}]
)
async def test_an_edit_with_missing_or_unknown_fields_is_refused(clinic: RunningClinic, body: dict[str, Any]) -> None:
    assert (await put(clinic, await clinic.booked(), **body)).status_code == 422


async def test_only_admin_service_may_call_the_internal_routes(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    for caller in (ADMIN, ANNA, service_bearer("scheduling-service"), service_bearer("notification-service")):
        assert (await clinic.get("/internal/appointments", caller)).status_code == 403
        assert (await clinic.get(f"/internal/appointments/{appointment['id']}", caller)).status_code == 403
        response = await clinic.service.http.post(f"/internal/appointments/{appointment['id']}/cancel", json={"by": BY}, headers=caller)
        assert response.status_code == 403


async def test_a_service_cannot_use_the_public_routes(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    assert (await clinic.get("/appointments", ADMIN_SERVICE)).status_code == 403
    assert (await clinic.get(f"/appointments/{appointment['id']}", ADMIN_SERVICE)).status_code == 403


@pytest.mark.parametrize(("begins", "ends"), [("2026-03-09T09:00:00Z", "2026-03-09T08:00:00Z"), ("2026-03-09T08:00:00Z",) * 2])
async def test_a_range_that_ends_before_it_begins_is_refused(clinic: RunningClinic, begins: str, ends: str) -> None:
    response = await clinic.get(f"/appointments?from={begins}&to={ends}")
    assert (response.status_code, response.json()["code"]) == (422, "range_reversed")


async def test_an_instant_may_have_any_number_of_fraction_digits(clinic: RunningClinic) -> None:
    appointment = await clinic.booked(starts_at="2026-03-09T08:00:00.123456789012Z")
    assert appointment["starts_at"] == "2026-03-09T08:00:00Z"
