"""Any doctor, and holds, over HTTP: what the calendar is asked, and what is answered until it has decided."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.kit.ids import new_id
from tests.service.appointment.clinic import ANNA, BO, DESK, RunningClinic, a_problem
from tests.unit.appointment.builders import COLLEAGUE, DOCTOR, TEN, a_doctor

HOLD = str(new_id())
HELD = {"available_again_at": "2026-03-02T12:05:00Z", "alternatives": [{"doctor_id": str(COLLEAGUE), "starts_at": "2026-03-09T09:00:00Z"}]}


async def test_any_doctor_is_the_one_whom_the_calendar_chooses(clinic: RunningClinic) -> None:
    clinic.upstreams.doctors[COLLEAGUE] = a_doctor(id=COLLEAGUE, full_name="Bo Grau", time_zone="Europe/Lisbon")
    responses = [await clinic.book(caller, doctor_id="any") for caller in (ANNA, BO)]
    assert [response.status_code for response in responses] == [201, 201]
    first, second = (response.json() for response in responses)
    assert [appointment["doctor"]["full_name"] for appointment in (first, second)] == ["Ada Weiss", "Bo Grau"]
    assert [appointment["local_start"] for appointment in (first, second)] == ["2026-03-09T09:00", "2026-03-09T08:00"]
    assert ["doctor_id" in request for request in clinic.upstreams.reserve_bodies] == [False, False]
    assert (await clinic.get(f"/appointments/{first['id']}")).json() == first
    assert await clinic.published() == ["booked", "booked"]


@pytest.mark.parametrize("service", ["scheduling-service", "doctor-service"])
async def test_until_a_doctor_is_chosen_the_doctor_is_null(clinic: RunningClinic, service: str) -> None:
    if service == "doctor-service":
        chosen_doctor = clinic.upstreams.doctors.pop(DOCTOR)
    else:
        clinic.upstreams.down = {service}
    response = await clinic.book(doctor_id="any")
    appointment = response.json()
    assert (response.status_code, appointment["status"], appointment["doctor"]) == (202, "pending", None)
    assert (appointment["time_zone"], appointment["local_start"], appointment["starts_at"]) == (
        "UTC",
        "2026-03-09T08:00",
        "2026-03-09T08:00:00Z",
    )
    assert (await clinic.get(response.headers["location"] + "/calendar.ics")).status_code == 200
    assert (await clinic.get(f"/appointments?doctor_id={DOCTOR}", DESK)).json()["items"] == []
    assert (await clinic.get("/appointments", DESK)).json()["items"] == [appointment]
    if service == "doctor-service":
        clinic.upstreams.doctors[DOCTOR] = chosen_doctor
    clinic.upstreams.down = set()
    clinic.service.clock.advance(timedelta(seconds=60))
    assert await clinic.published() == ["booked"]
    (completed,) = (await clinic.get(f"/appointments?doctor_id={DOCTOR}", DESK)).json()["items"]
    assert (completed["status"], completed["doctor"]["id"], completed["time_zone"]) == ("booked", str(DOCTOR), "Europe/Berlin")


async def test_without_a_free_doctor_the_refused_booking_has_none(clinic: RunningClinic) -> None:
    clinic.upstreams.calendar.doctors = ()
    response = await clinic.book(doctor_id="any")
    assert (response.status_code, response.json()["code"]) == (409, "slot_taken")
    (refused,) = (await clinic.get("/appointments?status=refused")).json()["items"]
    assert (refused["doctor"], await clinic.published()) == (None, [])
    history = (await clinic.get(f"/appointments/{refused['id']}/history")).json()["items"]
    assert [("doctor_id" in entry["before"], "doctor_id" in entry["after"]) for entry in history] == [(False, False)]
    amended = await clinic.service.http.patch(
        f"/appointments/{refused['id']}", json={"reason": "knee"}, headers=ANNA | {"If-Match": f'"{refused["version"]}"'}
    )
    assert (amended.status_code, amended.json()["reason"], await clinic.published()) == (200, "knee", [])


async def test_a_key_books_any_doctor_once(clinic: RunningClinic) -> None:
    keyed = ANNA | {"Idempotency-Key": "k"}
    first, again = await clinic.book(keyed, doctor_id="any"), await clinic.book(keyed, doctor_id="any")
    assert (first.content, again.headers["idempotent-replayed"], await clinic.published()) == (again.content, "true", ["booked"])
    assert (await clinic.book(keyed)).json()["code"] == "idempotency_key_reused"


async def test_a_hold_is_sent_with_the_booking_only(clinic: RunningClinic) -> None:
    appointment = await clinic.booked(hold_id=HOLD)
    await clinic.do(appointment, "reschedule", ANNA, starts_at=TEN.isoformat())
    assert [request.get("hold_id") for request in clinic.upstreams.reserve_bodies] == [HOLD, None]


async def test_the_job_repeats_the_request_with_its_hold(clinic: RunningClinic) -> None:
    clinic.upstreams.down = {"scheduling-service"}
    assert (await clinic.book(hold_id=HOLD)).status_code == 202
    clinic.upstreams.down = set()
    clinic.service.clock.advance(timedelta(seconds=60))
    assert await clinic.published() == ["booked"]
    assert [request["hold_id"] for request in clinic.upstreams.reserve_bodies] == [HOLD]


@pytest.mark.parametrize(("code", "facts"), [("slot_held", HELD), ("hold_mismatch", {}), ("hold_expired", {})])
async def test_refusals_of_holds_reach_the_client(clinic: RunningClinic, code: str, facts: dict[str, Any]) -> None:
    clinic.upstreams.calendar_response = a_problem(409, code, **facts)
    response = await clinic.book(hold_id=HOLD)
    event = response.json()
    assert (response.status_code, event["code"], {name: event[name] for name in facts}) == (409, code, facts)
    assert await clinic.published() == []


@pytest.mark.parametrize("action", ["reschedule", "reassign", "restore"])
async def test_a_time_that_someone_else_holds_cannot_be_moved_to(clinic: RunningClinic, action: str) -> None:
    appointment = await clinic.booked()
    if action == "restore":
        await clinic.do(appointment, "cancel")
    bodies: dict[str, dict[str, Any]] = {"reschedule": {"starts_at": TEN.isoformat()}, "reassign": {"doctor_id": str(COLLEAGUE)}}
    clinic.upstreams.calendar_response = a_problem(409, "slot_held", **HELD)
    response = await clinic.do(appointment, action, **bodies.get(action, {}))
    assert (response.status_code, response.json()["code"]) == (409, "slot_held")
    assert response.json()["available_again_at"] == HELD["available_again_at"]


async def test_a_hold_is_for_one_doctor_and_a_doctor_is_one_field(clinic: RunningClinic) -> None:
    unnamed = await clinic.book(doctor_id="any", hold_id=HOLD)
    assert [(error["code"], error["pointer"]) for error in unnamed.json()["errors"]] == [("doctor_required", "/hold_id")]
    for body, pointer in (
        ({"doctor_id": "any", "hold_id": HOLD}, "/hold_id"),
        ({"doctor_id": "unknown"}, "/doctor_id"),
        ({"doctor_id": None}, "/doctor_id"),
        ({"doctor_id": 7}, "/doctor_id"),
        ({"hold_id": "mine"}, "/hold_id"),
    ):
        response = await clinic.book(**body)
        assert (response.status_code, response.json()["code"]) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert clinic.upstreams.reserve_bodies == []


async def test_the_openapi_document_says_that_the_doctor_may_be_any(clinic: RunningClinic) -> None:
    schemas = (await clinic.service.http.get("/openapi.json")).json()["components"]["schemas"]
    field = schemas["BookAppointment"]["properties"]["doctor_id"]
    assert field["type"] == "string"
    assert all(re.fullmatch(field["pattern"], text) for text in ("any", str(UUID(int=1))))
    assert not re.fullmatch(field["pattern"], "anyone")


async def test_a_fraction_of_a_second_is_not_another_time(clinic: RunningClinic) -> None:
    response = await clinic.book(starts_at="2026-03-09T08:00:00.5Z")
    assert (response.status_code, response.json()["starts_at"]) == (201, "2026-03-09T08:00:00Z")
