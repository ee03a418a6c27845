"""Booking over HTTP: responses, refusals and events."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.service.appointment.clinic import ADMIN, ANNA, BO, DESK, DR_WEISS, RunningClinic, a_clinic
from tests.unit.appointment.builders import DOCTOR, PATIENT, STRANGER, TEN, a_doctor, a_service

TAKEN = "2026-03-09T09:00:00+01:00"


async def test_a_booking_returns_the_whole_appointment(clinic: RunningClinic) -> None:
    clinic.upstreams.service = a_service(price={"amount": 4500, "currency": "EUR"})
    response = await clinic.book(reason=" knee ", intake={"Since when?": "a.b $c"})
    appointment = response.json()
    assert (response.status_code, appointment["status"], appointment["version"]) == (201, "booked", 2)
    assert (response.headers["location"], response.headers["etag"]) == (f"/appointments/{appointment['id']}", '"2"')
    assert appointment["doctor"] == {"id": str(DOCTOR), "full_name": "Ada Weiss", "title": "Dr.", "location": "Room 4"}
    assert appointment["patient"] == {"id": str(PATIENT), "full_name": "Anna Ames"}
    assert (appointment["patient_id"], appointment["price"], appointment["reason"]) == (
        str(PATIENT),
        {"amount": 4500, "currency": "EUR"},
        "knee",
    )
    assert (appointment["starts_at"], appointment["ends_at"]) == ("2026-03-09T08:00:00Z", "2026-03-09T08:30:00Z")
    assert (appointment["local_start"], appointment["time_zone"], appointment["cancel_reason"]) == (
        "2026-03-09T09:00",
        "Europe/Berlin",
        None,
    )
    assert appointment["service"]["name"] == "Knee check-up"
    assert appointment["intake"] == {"Since when?": "a.b $c"}
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json() == appointment
    assert await clinic.published() == ["booked"]


async def test_a_taken_time_is_refused_with_the_calendars_refusal(clinic: RunningClinic) -> None:
    await clinic.booked(BO)
    response = await clinic.book()
    assert (response.status_code, response.json()["code"], response.json()["alternatives"]) == (409, "slot_taken", [])
    assert response.headers["content-type"] == "application/problem+json"
    assert (await clinic.get("/appointments")).json()["items"] == []
    (refused,) = (await clinic.get("/appointments?status=refused")).json()["items"]
    assert (refused["status"], await clinic.published()) == ("refused", ["booked"])


async def test_a_time_that_cannot_be_booked_is_refused_with_reasons(clinic: RunningClinic) -> None:
    body = {
        "status": 422,
        "code": "not_bookable",
        "title": "Not bookable",
        "detail": "no",
        "reasons": [{"code": "too_soon", "detail": "x"}],
    }
    clinic.upstreams.calendar_response = httpx.Response(422, json=body, headers={"content-type": "application/problem+json"})
    response = await clinic.book()
    assert (response.status_code, response.json()["code"], response.json()["reasons"]) == (422, "not_bookable", body["reasons"])


@pytest.mark.parametrize("calendar", ["down", 500, 403, 404, 429, "nonsense"])
async def test_without_a_decision_of_the_calendar_a_booking_is_pending(clinic: RunningClinic, calendar: str | int) -> None:
    if calendar == "down":
        clinic.upstreams.down = {"scheduling-service"}
    else:
        clinic.upstreams.calendar_response = (
            httpx.Response(calendar, json={}) if isinstance(calendar, int) else httpx.Response(200, json={"a": 1})
        )
    response = await clinic.book()
    assert (response.status_code, response.json()["status"]) == (202, "pending")
    assert response.headers["location"] == f"/appointments/{response.json()['id']}"
    clinic.upstreams.down, clinic.upstreams.calendar_response = set(), None
    clinic.service.clock.advance(timedelta(seconds=60))
    assert await clinic.published() == ["booked"]
    assert (await clinic.get(response.headers["location"])).json()["status"] == "booked"


@pytest.mark.parametrize("host", ["doctor-service", "patient-service"])
async def test_without_doctor_or_patient_service_nothing_is_saved(clinic: RunningClinic, host: str) -> None:
    clinic.upstreams.down = {host}
    response = await clinic.book()
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert (await clinic.get("/appointments")).json()["items"] == []


async def test_a_key_books_once_and_repeats_the_response(clinic: RunningClinic) -> None:
    keyed = ANNA | {"Idempotency-Key": "k"}
    first, again = await clinic.book(keyed), await clinic.book(keyed)
    assert (first.content, again.headers["idempotent-replayed"]) == (again.content, "true")
    for name in ("etag", "location"):
        assert first.headers[name] == again.headers[name]
    other = await clinic.book(keyed, starts_at=TEN.isoformat())
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (len((await clinic.get("/appointments")).json()["items"]), await clinic.published()) == (1, ["booked"])


async def test_a_refusal_is_repeated_under_its_key(clinic: RunningClinic) -> None:
    await clinic.booked(BO)
    keyed = ANNA | {"Idempotency-Key": "k"}
    first = await clinic.book(keyed)
    clinic.upstreams.calendar.reservations.clear()
    again = await clinic.book(keyed)
    assert (first.status_code, first.content, again.headers["idempotent-replayed"]) == (409, again.content, "true")


async def test_a_key_can_be_used_again_after_a_failure(clinic: RunningClinic) -> None:
    clinic.upstreams.down = {"doctor-service"}
    keyed = ANNA | {"Idempotency-Key": "k"}
    assert (await clinic.book(keyed)).status_code == 503
    clinic.upstreams.down = set()
    assert (await clinic.book(keyed)).status_code == 201
    assert await clinic.published() == ["booked"]


async def test_a_service_that_needs_approval_is_requested(clinic: RunningClinic) -> None:
    clinic.upstreams.service = a_service(requires_approval=True)
    appointment = await clinic.booked()
    assert appointment["status"] == "requested"
    approved = (await clinic.do(appointment, "approve", DR_WEISS)).json()
    assert (approved["status"], approved["version"], await clinic.published()) == ("booked", 3, ["requested", "booked"])


async def test_reception_must_name_the_patient(clinic: RunningClinic) -> None:
    response = await clinic.book(DESK)
    problem = response.json()
    assert (response.status_code, problem["code"], problem["errors"][0]["pointer"]) == (422, "patient_required", "/patient_id")
    assert (await clinic.booked(DESK, patient_id=str(STRANGER)))["patient_id"] == str(STRANGER)
    assert (await clinic.book(ANNA, patient_id=str(STRANGER))).status_code == 404
    assert (await clinic.book(DR_WEISS)).status_code == 403
    assert (await clinic.book({})).status_code == 401


@pytest.mark.parametrize("name", ["doctor_id", "service_id", "patient_id"])
async def test_unknown_doctors_services_and_patients_are_not_found(clinic: RunningClinic, name: str) -> None:
    body: dict[str, Any] = {"patient_id": str(PATIENT)} | {name: str(UUID(int=404))}
    assert (await clinic.book(ADMIN, **body)).status_code == 404


async def test_a_doctor_who_accepts_no_patients_is_booked_by_staff_only(clinic: RunningClinic) -> None:
    clinic.upstreams.doctors[DOCTOR] = a_doctor(accepting_patients=False)
    response = await clinic.book()
    assert (response.status_code, response.json()["code"]) == (409, "doctor_not_accepting")
    assert (await clinic.book(DESK, patient_id=str(PATIENT))).status_code == 201


async def test_the_number_of_active_appointments_is_limited(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, max_active_appointments=1) as clinic:
        await clinic.booked()
        response = await clinic.book(starts_at=TEN.isoformat())
        assert (response.status_code, response.json()["code"]) == (409, "too_many_active")


INVALID_BODIES: list[tuple[dict[str, Any], str]] = [
    ({"starts_at": "2026-03-09T08:00:00"}, "offset_required"),
    ({"starts_at": "tomorrow"}, "not_an_instant"),
    ({"starts_at": 5}, "not_an_instant"),
    ({"doctor_id": "unknown"}, "validation_failed"),
    ({"doctor_id": None}, "validation_failed"),
    ({"hold_id": "x"}, "validation_failed"),
    ({"hold_id": str(UUID(int=1)), "doctor_id": "any"}, "validation_failed"),
    ({"colour": "red"}, "validation_failed"),
    ({"reason": "x" * 501}, "validation_failed"),
    ({"reason": "\x00"}, "control_character"),
    ({"reason": "a\u202eb"}, "control_character"),
    ({"intake": {"": "x"}}, "validation_failed"),
    ({"intake": {"\x00": "x"}}, "control_character"),
    ({"intake": {"a\nb": "x"}}, "control_character"),
    ({"intake": {"k" * 65: "x"}}, "validation_failed"),
    ({"intake": {str(number): "x" for number in range(21)}}, "validation_failed"),
    ({"intake": {"a": {"b": "c"}}}, "validation_failed"),
    ({"service_id": None}, "validation_failed"),
]


async def test_reason_and_intake_keep_their_line_breaks(clinic: RunningClinic) -> None:
    response = await clinic.book(reason="Cough\n\tsince Monday", intake={"allergies": "nuts\r\npollen"})
    assert response.status_code == 201, response.text
    assert (response.json()["reason"], response.json()["intake"]) == ("Cough\n\tsince Monday", {"allergies": "nuts\npollen"})


async def test_a_wrong_field_is_refused_with_its_pointer(clinic: RunningClinic) -> None:
    for change, code in INVALID_BODIES:
        response = await clinic.book(**change)
        assert (response.status_code, response.json()["code"]) == (422, code), response.text
        assert response.json()["errors"][0]["pointer"].startswith(f"/{next(iter(change))}")
