"""The same service with its documents on a MongoDB-protocol server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from appointment_svc.migrations import migrate
from tests.service.appointment.clinic import ANNA, BO, DESK, RunningClinic, a_clinic
from tests.unit.appointment.builders import DOCTOR, TEN

KEYED = ANNA | {"Idempotency-Key": "k"}


@pytest.fixture
async def clinic(tmp_path: Path, mongo_url: str) -> AsyncIterator[RunningClinic]:
    migrate(mongo_url)
    async with a_clinic(tmp_path, database_url=mongo_url) as clinic:
        yield clinic


async def test_the_service_is_ready(clinic: RunningClinic) -> None:
    assert (await clinic.service.http.get("/readyz")).status_code == 200


async def test_appointments_behave_as_in_sqlite(clinic: RunningClinic) -> None:
    appointment = await clinic.booked(reason="a rash", intake={"Since $when.?": "Sunday"})
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json() == appointment
    moved = await clinic.do(appointment, "reschedule", ANNA, starts_at=TEN.isoformat())
    assert (moved.status_code, moved.json()["starts_at"]) == (200, "2026-03-09T09:00:00Z")
    assert (await clinic.do(appointment, "cancel", ANNA)).status_code == 200
    assert (await clinic.do(appointment, "restore", DESK)).json()["status"] == "booked"
    assert await clinic.published() == ["booked", "rescheduled", "cancelled", "booked"]
    history = (await clinic.get(f"/appointments/{appointment['id']}/history")).json()["items"]
    assert [entry["action"] for entry in history] == ["booked", "rescheduled", "cancelled", "restored"]
    assert (await clinic.get(f"/appointments/{appointment['id']}", BO)).status_code == 404
    assert [item["id"] for item in (await clinic.get("/appointments?status=booked&sort=-created_at")).json()["items"]] == [
        appointment["id"]
    ]


async def test_any_doctor_is_null_until_the_calendar_has_chosen(clinic: RunningClinic) -> None:
    clinic.upstreams.down.add("scheduling-service")
    appointment = await clinic.booked(doctor_id="any")
    assert (appointment["status"], appointment["doctor"]) == ("pending", None)
    assert (await clinic.get(f"/appointments?doctor_id={DOCTOR}", DESK)).json()["items"] == []
    clinic.upstreams.down.clear()
    clinic.service.clock.advance(timedelta(minutes=1))
    assert await clinic.published() == ["booked"]
    (booked,) = (await clinic.get(f"/appointments?doctor_id={DOCTOR}", DESK)).json()["items"]
    assert (booked["id"], booked["doctor"]["id"]) == (appointment["id"], str(DOCTOR))


async def test_appointments_follow_a_leave(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "moved")
    for _ in range(2):
        await clinic.service.publish_event(event)
    assert await clinic.published() == ["booked", "rescheduled"]
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json()["starts_at"] == "2026-03-09T09:00:00Z"


async def test_a_key_books_once_and_repeats_the_response(clinic: RunningClinic) -> None:
    first, again = await clinic.book(KEYED), await clinic.book(KEYED)
    assert (again.status_code, again.content, again.headers["idempotent-replayed"]) == (201, first.content, "true")
    assert await clinic.published() == ["booked"]


async def test_a_booking_without_an_answer_of_the_calendar_is_completed_later(clinic: RunningClinic) -> None:
    clinic.upstreams.down.add("scheduling-service")
    response = await clinic.book()
    assert (response.status_code, response.json()["status"]) == (202, "pending")
    clinic.upstreams.down.clear()
    clinic.service.clock.advance(timedelta(minutes=1))
    assert await clinic.published() == ["booked"]
