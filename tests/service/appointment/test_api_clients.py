"""API clients read, book and change appointments as reception does, as far as their scopes say, and are named as the actor."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.contracts.identity import Role, Scope
from tests.service.appointment.clinic import RunningClinic
from tests.tokens import bearer
from tests.unit.appointment.builders import CHECKUP, DOCTOR, NINE, PATIENT, TEN

CLIENT_ID = UUID(int=77)
READER, WRITER = (bearer(Role.CLIENT, CLIENT_ID, scope=scope) for scope in (Scope.APPOINTMENTS_READ, Scope.APPOINTMENTS_WRITE))
BOOKING = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "patient_id": str(PATIENT), "starts_at": NINE.isoformat()}


async def test_a_client_books_for_any_patient_and_is_the_actor_in_the_history(clinic: RunningClinic) -> None:
    http = clinic.service.http
    booked = await http.post("/appointments", json=BOOKING, headers=WRITER)
    assert (booked.status_code, booked.json()["status"]) == (201, "booked")
    moved = await clinic.do(booked.json(), "reschedule", WRITER, starts_at=TEN.isoformat())
    assert moved.status_code == 200
    assert (await clinic.do(booked.json(), "cancel", WRITER)).json()["status"] == "cancelled"
    history = (await http.get(f"/appointments/{booked.json()['id']}/history", headers=READER)).json()["items"]
    assert [entry["action"] for entry in history] == ["booked", "rescheduled", "cancelled"]
    assert all(entry["actor"] == {"id": str(CLIENT_ID), "role": "client"} for entry in history)
    assert await clinic.published() == ["booked", "rescheduled", "cancelled"]


async def test_a_client_must_name_the_patient(clinic: RunningClinic) -> None:
    without_patient = {name: value for name, value in BOOKING.items() if name != "patient_id"}
    refused = await clinic.service.http.post("/appointments", json=without_patient, headers=WRITER)
    assert (refused.status_code, refused.json()["code"]) == (422, "patient_required")


async def test_a_reader_sees_the_appointments_of_all_and_changes_none(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    listed = await clinic.service.http.get("/appointments", headers=READER)
    assert [item["id"] for item in listed.json()["items"]] == [appointment["id"]]
    refused = await clinic.do(appointment, "cancel", READER)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert (await clinic.service.http.post("/appointments", json=BOOKING, headers=READER)).status_code == 403


@pytest.mark.parametrize("scope", ["", Scope.WEBHOOKS_MANAGE, Scope.APPOINTMENTS_WRITE])
async def test_other_scopes_do_not_let_a_client_read(clinic: RunningClinic, scope: str) -> None:
    appointment = await clinic.booked()
    headers = bearer(Role.CLIENT, CLIENT_ID, scope=scope)
    for path in ("/appointments", f"/appointments/{appointment['id']}", f"/appointments/{appointment['id']}/history"):
        assert (await clinic.service.http.get(path, headers=headers)).status_code == 403
