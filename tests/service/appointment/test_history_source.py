"""What patient-service and admin-service read of all appointments, page by page, and of some of them by ids."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.values import format_instant
from tests.service.appointment.clinic import ADMIN_SERVICE, ANNA, BO, DESK, RunningClinic, a_problem
from tests.tokens import service_bearer
from tests.unit.appointment.builders import COLLEAGUE, DOCTOR, NINE, PATIENT, TEN, a_doctor

PATIENT_SERVICE = service_bearer("patient-service")


async def all_visits(clinic: RunningClinic, limit: int) -> list[dict[str, Any]]:
    visits, path = [], f"/internal/visits?limit={limit}"
    while path:
        page = (await clinic.get(path, PATIENT_SERVICE)).json()
        visits += page["items"]
        path = f"/internal/visits?limit={limit}&after={page['next']}" if page["next"] else ""
    return visits


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_every_announced_appointment_is_listed_once_as_its_last_event_describes_it(clinic: RunningClinic, limit: int) -> None:
    for number in range(4):
        await clinic.booked(ANNA, starts_at=format_instant(NINE + timedelta(days=number)))
    cancelled = await clinic.booked(BO, starts_at=format_instant(TEN), doctor_id=str(COLLEAGUE))
    await clinic.do(cancelled, "cancel", DESK)
    clinic.upstreams.down.add("scheduling-service")
    assert (await clinic.booked(BO, starts_at=format_instant(TEN + timedelta(days=9))))["status"] == "pending"
    clinic.upstreams.down.clear()
    clinic.upstreams.calendar_response = a_problem(409, "slot_taken", alternatives=[])
    assert (await clinic.book(BO, starts_at=format_instant(TEN + timedelta(days=10)))).status_code == 409
    visits = await all_visits(clinic, limit)
    assert [visit["appointment_id"] for visit in visits] == sorted({visit["appointment_id"] for visit in visits})
    latest: dict[str, Any] = {}
    for event in clinic.service.published:
        latest[str(event.appointment_id)] = event.model_dump(mode="json")  # type: ignore[attr-defined]
    assert len(visits) == len(latest) == 5, "neither the pending nor the refused one"
    for visit in visits:
        assert visit == {name: latest[visit["appointment_id"]][name] for name in visit}


async def test_snapshots_are_the_names_that_appointments_show(clinic: RunningClinic) -> None:
    clinic.upstreams.doctors[DOCTOR] = a_doctor(full_name="Ada Weiss", title="Dr.")
    booked = await clinic.booked(ANNA)
    body = {"ids": [str(UUID(int=404)), booked["id"], booked["id"]]}
    response = await clinic.service.http.post("/internal/appointment-snapshots", json=body, headers=PATIENT_SERVICE)
    service = {name: booked["service"][name] for name in ("id", "name", "mode")}
    doctor = {"id": str(DOCTOR), "full_name": "Ada Weiss", "title": "Dr."}
    assert response.json() == {"items": [{"appointment_id": booked["id"], "service": service, "doctor": doctor}]}


async def test_the_requests_are_bounded_and_for_the_services_that_copy_appointments_only(clinic: RunningClinic) -> None:
    for caller in (service_bearer("doctor-service"), ANNA, DESK):
        assert (await clinic.get("/internal/visits", caller)).status_code == 403
        refused = await clinic.service.http.post("/internal/appointment-snapshots", json={"ids": [str(PATIENT)]}, headers=caller)
        assert refused.status_code == 403
    for ids in ([], [str(UUID(int=number)) for number in range(101)]):
        refused = await clinic.service.http.post("/internal/appointment-snapshots", json={"ids": ids}, headers=PATIENT_SERVICE)
        assert refused.status_code == 422
    assert (await clinic.get("/internal/visits?after=abc", PATIENT_SERVICE)).json()["code"] == "bad_cursor"


async def test_an_event_and_the_list_say_when_and_by_whom_a_visit_was_booked(clinic: RunningClinic) -> None:
    booked = await clinic.booked(DESK, patient_id=str(PATIENT))
    clinic.service.clock.advance(timedelta(hours=1))
    await clinic.do(booked, "cancel", DESK)
    (visit,) = (await clinic.get("/internal/visits", ADMIN_SERVICE)).json()["items"]
    event = clinic.service.published[-1].model_dump(mode="json")
    facts = {"booked_at": booked["created_at"], "booked_by": booked["booked_by"], "capacity": 1, "confirmed_at": None}
    assert {name: visit[name] for name in facts} == {name: event[name] for name in facts} == facts
    assert facts["booked_by"]["role"] == "reception"
