"""Appointments of an erased patient keep ids, times and states, and lose names and texts; what lies ahead is cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from appointment_svc.domain.snapshots import ERASED_NAME
from appointment_svc.migrations import migrate
from shared.contracts.events import PatientErased
from shared.kit.ids import new_id
from tests.running import NOON, clinic_settings
from tests.service.appointment.clinic import ANNA, BO, DESK, DR_WEISS, NOTIFICATION_SERVICE, RunningClinic, a_clinic
from tests.unit.appointment.builders import PATIENT, TEN

INTAKE = {"Since when?": "Sunday"}


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def clinic(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[RunningClinic]:
    """The service with its documents in SQLite and on a MongoDB-protocol server."""
    settings = {}
    if request.param == "mongo":
        settings["database_url"] = request.getfixturevalue("mongo_url")
        migrate(settings["database_url"])
    async with a_clinic(tmp_path, **settings) as clinic:
        yield clinic


async def erase(clinic: RunningClinic, pass_number: int = 1) -> None:
    """Announce that Anna was erased."""
    facts = {"patient_id": PATIENT, "erasure_id": UUID(int=9), "pass_number": pass_number}
    await clinic.service.publish_event(PatientErased(id=new_id(), occurred_at=NOON, **facts))


async def test_a_past_visit_keeps_its_facts_and_loses_name_and_texts(clinic: RunningClinic) -> None:
    visit = await clinic.booked(reason="a rash", intake=INTAKE)
    await clinic.do(visit, "reschedule", DESK, starts_at=TEN.isoformat())
    clinic.service.clock.advance(timedelta(days=7))
    await clinic.do(visit, "check-in", DR_WEISS)
    await clinic.do(visit, "complete", DR_WEISS)
    before = (await clinic.get(f"/appointments/{visit['id']}", DESK)).json()

    await erase(clinic)

    after = (await clinic.get(f"/appointments/{visit['id']}", DESK)).json()
    assert after["patient"] == {"id": str(PATIENT), "full_name": ERASED_NAME}
    assert (after["reason"], after["intake"]) == (None, None)
    same = ("id", "status", "starts_at", "service", "doctor", "patient_id", "price")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["version"] == before["version"] + 1
    history = (await clinic.get(f"/appointments/{visit['id']}/history", DESK)).json()["items"]
    assert [entry["action"] for entry in history] == ["booked", "rescheduled", "checked_in", "completed", "erased"]


async def test_what_lies_ahead_is_cancelled_inside_its_cut_off_and_its_time_is_free(clinic: RunningClinic) -> None:
    visit = await clinic.booked(reason="a rash")
    clinic.service.clock.advance(timedelta(days=6, hours=19))

    await erase(clinic)

    after = (await clinic.get(f"/appointments/{visit['id']}", DESK)).json()
    assert (after["status"], after["reason"], after["patient"]["full_name"]) == ("cancelled", None, ERASED_NAME)
    assert clinic.upstreams.calendar.reservations == {}
    assert await clinic.published() == ["booked", "cancelled", "amended"]


async def test_notes_of_changes_are_removed(clinic: RunningClinic) -> None:
    visit = await clinic.booked()
    await clinic.do(visit, "cancel", ANNA, reason="on holiday")

    await erase(clinic)

    history = (await clinic.get(f"/appointments/{visit['id']}/history", DESK)).json()
    assert "on holiday" not in str(history)
    assert "on holiday" not in (await clinic.get(f"/appointments/{visit['id']}", DESK)).text


async def test_links_in_mails_stop_working(clinic: RunningClinic) -> None:
    visit = await clinic.booked()
    key = {"appointment_id": visit["id"], "recipient_id": str(PATIENT)}
    response = await clinic.service.http.post("/internal/visit-links", json={"links": [key]}, headers=NOTIFICATION_SERVICE)
    path = f"/visit/{response.json()['items'][0]['token']}"
    assert (await clinic.service.http.get(path, headers={"Accept": "application/json"})).status_code == 200

    await erase(clinic)

    assert (await clinic.service.http.get(path, headers={"Accept": "application/json"})).status_code in (404, 410)


async def test_the_appointments_of_others_stay_as_they_are(clinic: RunningClinic) -> None:
    visit = await clinic.booked(BO, reason="a rash")

    await erase(clinic)

    assert (await clinic.get(f"/appointments/{visit['id']}", BO)).json() == visit


async def test_the_removal_is_reported_and_a_repeated_event_finds_nothing_more(clinic: RunningClinic) -> None:
    await clinic.booked(reason="a rash")
    await clinic.booked(starts_at=TEN.isoformat())

    await erase(clinic)
    await erase(clinic, pass_number=2)

    assert clinic.upstreams.erasure_reports == [
        {"pass_number": 1, "removed": {"appointments": 2, "stored_answers": 0}},
        {"pass_number": 2, "removed": {"appointments": 0, "stored_answers": 0}},
    ]


async def test_stored_answers_that_name_the_patient_are_deleted(clinic: RunningClinic) -> None:
    keyed = DESK | {"Idempotency-Key": "k"}
    await clinic.booked(keyed, patient_id=str(PATIENT), reason="a rash")

    await erase(clinic)

    assert clinic.upstreams.erasure_reports[0]["removed"]["stored_answers"] == 1


async def test_a_booking_that_was_under_way_is_erased_in_the_second_pass(clinic: RunningClinic) -> None:
    await erase(clinic)
    visit = await clinic.booked(reason="a rash")

    await erase(clinic, pass_number=2)

    after = (await clinic.get(f"/appointments/{visit['id']}", DESK)).json()
    assert (after["status"], after["patient"]["full_name"], after["reason"]) == ("cancelled", ERASED_NAME, None)


async def test_names_are_removed_although_the_calendar_does_not_answer(clinic: RunningClinic) -> None:
    visit = await clinic.booked(reason="a rash")
    clinic.upstreams.down.add("scheduling-service")
    await erase(clinic)
    after = (await clinic.get(f"/appointments/{visit['id']}", DESK)).json()
    assert (after["status"], after["patient"]["full_name"]) == ("cancelled", ERASED_NAME)


@pytest.mark.parametrize(
    "settings",
    [{"keep_texts_years": 1}, {"clinic_settings": clinic_settings(retention={"texts_years": 1})}],
    ids=["of the environment", "of an admin"],
)
async def test_texts_are_removed_after_the_years_of_the_setting(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with a_clinic(tmp_path, **settings) as clinic:
        visit = await clinic.booked(reason="a rash", intake=INTAKE)
        clinic.service.clock.advance(timedelta(days=360))
        await clinic.service.run_until_idle()
        assert (await clinic.get(f"/appointments/{visit['id']}", DESK)).json()["reason"] == "a rash"
        clinic.service.clock.advance(timedelta(days=14))
        await clinic.service.run_until_idle()
        after = (await clinic.get(f"/appointments/{visit['id']}", DESK)).json()
        assert (after["reason"], after["intake"], after["patient"]) == (None, None, visit["patient"])
