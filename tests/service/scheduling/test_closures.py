"""Closures of the clinic over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.events import AppointmentCheckedIn, DoctorChanged
from shared.contracts.http import Actor, DoctorRules
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import NOON, RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, release, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, PATIENT, a_doctor, a_service

ADMIN = bearer(Role.ADMIN)
NEWCOMER = UUID(int=0xD3)
DAY = timedelta(days=1)


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    rules = DoctorService([a_doctor(location="North"), a_doctor(id=COLLEAGUE, location="South")], [a_service()])
    async with a_clinic(tmp_path, rules, database_url=sql_url) as clinic:
        yield clinic


async def close(
    clinic: RunningService, by: dict[str, str] = ADMIN, begins: datetime = NINE, ends: datetime = NINE + DAY, **more: Any
) -> httpx.Response:
    body = {"from": format_instant(begins), "to": format_instant(ends), "reason": "Holiday", **more}
    return await clinic.http.post("/admin/closures", json=body, headers=by)


def checked_in(number: int) -> AppointmentCheckedIn:
    """Return the event that the patient of an appointment has checked in."""
    fields: dict[str, Any] = {"service_id": CHECKUP, "doctor_id": DOCTOR, "patient_id": UUID(int=0xAA00 + number)}
    times = {"occurred_at": NOON, "starts_at": NINE, "ends_at": NINE + DAY, "time_zone": "Europe/Berlin"}
    known = {"id": uuid4(), "appointment_id": UUID(int=number), "version": 2, "sequence": 0, "status": "checked_in"}
    return AppointmentCheckedIn(**fields | times | known, actor=Actor(id=DOCTOR, role=Role.DOCTOR))


async def is_open(clinic: RunningService, doctor: UUID) -> bool:
    path = f"/slots?service_id={CHECKUP}&doctor_id={doctor}&from={format_instant(NINE)}&to={format_instant(NINE + DAY)}"
    return bool((await clinic.http.get(path)).json()["items"])


async def publish_rules(clinic: RunningService, doctor: DoctorRules) -> None:
    await clinic.publish_event(DoctorChanged(id=uuid4(), occurred_at=NOON, doctor_id=doctor.id, version=doctor.version, rules=doctor))


async def test_a_closure_blocks_all_doctors_until_it_is_lifted(clinic: RunningService) -> None:
    response = await close(clinic)
    closure = response.json()
    assert (response.status_code, closure["settled"], closure["location"]) == (201, True, None)
    assert (closure["from"], closure["to"]) == (format_instant(NINE), format_instant(NINE + DAY))
    assert [await is_open(clinic, doctor) for doctor in (DOCTOR, COLLEAGUE)] == [False, False]
    refused = await reserve(clinic, 1)
    assert [reason["code"] for reason in refused.json()["reasons"]] == ["on_leave"]
    path = f"/admin/closures/{closure['id']}"
    assert [(await clinic.http.delete(path, headers=ADMIN)).status_code for _ in range(2)] == [204, 404]
    assert [await is_open(clinic, doctor) for doctor in (DOCTOR, COLLEAGUE)] == [True, True]
    assert (await reserve(clinic, 1)).status_code == 200


async def test_a_closed_location_blocks_only_its_doctors_without_regard_to_case(clinic: RunningService) -> None:
    await close(clinic, location="north")
    assert [await is_open(clinic, doctor) for doctor in (DOCTOR, COLLEAGUE)] == [False, True]


@pytest.mark.parametrize(("closed", "works_at"), [("zurich", "Zürich"), ("ZÜRICH", "zurich"), ("Élysée", "elysee"), ("groß", "GROSS")])
async def test_locations_are_compared_without_accents(clinic: RunningService, closed: str, works_at: str) -> None:
    await publish_rules(clinic, a_doctor(location=works_at, version=2))
    await close(clinic, location=closed)
    assert [await is_open(clinic, doctor) for doctor in (DOCTOR, COLLEAGUE)] == [False, True]


async def test_appointments_elsewhere_and_begun_visits_are_not_listed_as_affected(clinic: RunningService) -> None:
    starts = [NINE + number * timedelta(minutes=30) for number in range(4)]
    for number, start in enumerate(starts, start=1):
        assert (await reserve(clinic, number, patient_id=UUID(int=0xAA00 + number), starts_at=start)).status_code == 200
    assert (await reserve(clinic, 5, patient_id=UUID(int=0xAA05), doctor_id=COLLEAGUE, starts_at=starts[2])).status_code == 200
    clinic.clock.set(starts[0] + timedelta(minutes=1))
    await clinic.publish_event(checked_in(2))
    closure = (await close(clinic, begins=starts[0], ends=starts[3], location="North")).json()
    assert ([UUID(item["appointment_id"]).int for item in closure["affected"]], closure["complete"]) == ([3], True)


@pytest.mark.parametrize("text", ["Easter\nMonday", "\u200b", "Easter\u2028"])
async def test_reason_and_location_of_a_closure_are_one_line(clinic: RunningService, text: str) -> None:
    for name in ("reason", "location"):
        change: dict[str, Any] = {name: text}
        response = await close(clinic, **change)
        assert (response.status_code, response.json()["code"]) == (422, "control_character")
        assert response.json()["errors"][0]["pointer"] == f"/{name}"
    assert await is_open(clinic, DOCTOR)


async def test_appointments_in_a_closure_stay_and_are_listed_and_do_not_reopen_its_time(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    closure = (await close(clinic)).json()
    assert [(item["appointment_id"], item["patient_id"]) for item in closure["affected"]] == [(str(UUID(int=1)), str(PATIENT))]
    await release(clinic, 1, 1)
    assert not await is_open(clinic, DOCTOR)


async def test_holds_in_the_time_and_location_of_a_closure_are_dropped(clinic: RunningService) -> None:
    held = []
    for doctor, owner in ((DOCTOR, PATIENT), (COLLEAGUE, NEWCOMER)):
        request = {"service_id": str(CHECKUP), "doctor_id": str(doctor), "starts_at": format_instant(NINE)}
        held.append((await clinic.http.post("/holds", json=request, headers=bearer(Role.PATIENT, owner))).json()["id"])
    await close(clinic, location="North")
    statuses = [
        (await clinic.http.get(f"/holds/{hold_id}", headers=bearer(Role.PATIENT, owner))).status_code
        for hold_id, owner in zip(held, (PATIENT, NEWCOMER), strict=True)
    ]
    assert statuses == [404, 200]
    assert (await reserve(clinic, 1, hold_id=UUID(held[0]))).json()["code"] == "hold_expired"


async def test_a_doctor_who_is_added_or_moves_later_is_blocked_too(clinic: RunningService) -> None:
    await close(clinic, location="South")
    await publish_rules(clinic, a_doctor(id=NEWCOMER, location="South"))
    assert not await is_open(clinic, NEWCOMER)
    await publish_rules(clinic, a_doctor(id=NEWCOMER, location="North", version=2))
    assert await is_open(clinic, NEWCOMER)
    await publish_rules(clinic, a_doctor(location="South", version=2))
    assert not await is_open(clinic, DOCTOR)


async def test_a_closure_can_be_read_at_its_location_until_it_is_lifted(clinic: RunningService) -> None:
    closed = await close(clinic)
    location, expected = closed.headers["Location"], closed.json()
    shown = await clinic.http.get(location, headers=ADMIN)
    assert (shown.status_code, shown.json()) == (200, {name: expected[name] for name in expected if name not in ("affected", "complete")})
    assert (await clinic.http.get(location, headers=bearer(Role.DOCTOR, DOCTOR))).status_code == 403
    assert (await clinic.http.delete(location, headers=ADMIN)).status_code == 204
    assert (await clinic.http.get(location, headers=ADMIN)).json()["code"] == "no_such_closure"


async def test_closures_are_listed_the_latest_first(clinic: RunningService) -> None:
    for days in (1, 3, 2):
        await close(clinic, begins=NINE + days * DAY, ends=NINE + (days + 1) * DAY)
    first = await clinic.http.get("/admin/closures?limit=2", headers=ADMIN)
    rest = await clinic.http.get(f"/admin/closures?after={first.json()['next']}", headers=ADMIN)
    dates = [closure["from"][:10] for page in (first, rest) for closure in page.json()["items"]]
    assert dates == ["2026-03-12", "2026-03-11", "2026-03-10"]


async def test_a_repeated_request_with_a_key_closes_once(clinic: RunningService) -> None:
    responses = [await close(clinic, by=ADMIN | {"Idempotency-Key": "once"}) for _ in range(2)]
    assert responses[0].json() == responses[1].json()


@pytest.mark.parametrize(
    ("begins", "ends", "code", "pointer"),
    [
        (NINE, NINE, "range_reversed", "/from"),
        (NINE, NINE - DAY, "range_reversed", "/from"),
        (NINE, NINE + 32 * DAY, "range_too_long", "/to"),
        (NINE - 30 * DAY, NINE - 29 * DAY, "already_over", "/to"),
    ],
)
async def test_an_invalid_range_is_refused(clinic: RunningService, begins: datetime, ends: datetime, code: str, pointer: str) -> None:
    refused = await close(clinic, begins=begins, ends=ends)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]


async def test_only_admins_may_use_closures(clinic: RunningService) -> None:
    for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION):
        assert (await close(clinic, by=bearer(role))).status_code == 403
        assert (await clinic.http.get("/admin/closures", headers=bearer(role))).status_code == 403
    assert (await close(clinic, by={})).status_code == 401
    assert (await clinic.http.delete(f"/admin/closures/{uuid4()}", headers=ADMIN)).status_code == 404
