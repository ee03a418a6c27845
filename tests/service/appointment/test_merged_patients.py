"""After a merge every appointment is the target's, over HTTP and in the events, with the documents in SQLite and in MongoDB."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from appointment_svc.migrations import migrate
from shared.contracts.events import AppointmentAmended, PatientErased
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import NOON
from tests.service.appointment.clinic import ADMIN, ANNA, BO, DESK, DR_WEISS, NOTIFICATION_SERVICE, RunningClinic, a_clinic
from tests.tokens import bearer, service_bearer
from tests.unit.appointment.builders import HALF, LINK_TOKENS, NINE, PATIENT, STRANGER, TEN, a_patient, a_patient_contact

JSON = {"Accept": "application/json"}
LAST, MAX_ACTIVE = UUID(int=0xC), 3
CY = bearer(Role.PATIENT, LAST)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def clinic(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[RunningClinic]:
    """The service with its documents in SQLite and on a MongoDB-protocol server; Anna, Bo and Cy are patients."""
    settings: dict[str, Any] = {"max_active_appointments": MAX_ACTIVE}
    if request.param == "mongo":
        settings["database_url"] = request.getfixturevalue("mongo_url")
        migrate(settings["database_url"])
    async with a_clinic(tmp_path, **settings) as clinic:
        for patient_id, name in ((STRANGER, "Bo Lind"), (LAST, "Cy Lind")):
            clinic.upstreams.patients[patient_id] = a_patient(id=patient_id, full_name=name)
            clinic.upstreams.contacts[patient_id] = a_patient_contact(id=patient_id, full_name=name, time_zone="Asia/Tokyo")
        yield clinic


async def finish(clinic: RunningClinic) -> None:
    """Let the time pass within which a booking that began before the merge is stored."""
    await clinic.service.advance(timedelta(minutes=2), steps=4)


async def read(clinic: RunningClinic, appointment: dict[str, Any], path: str = "", caller: dict[str, str] = DESK) -> Any:
    return (await clinic.get(f"/appointments/{appointment['id']}{path}", caller)).json()


def amended(clinic: RunningClinic) -> list[AppointmentAmended]:
    return [event for event in clinic.service.published if isinstance(event, AppointmentAmended)]


async def test_appointments_ahead_and_ended_ones_are_the_targets_once_in_the_history_and_in_one_event(clinic: RunningClinic) -> None:
    ahead = await clinic.booked(reason="a rash")
    cancelled = await clinic.booked(starts_at=TEN.isoformat())
    assert (await clinic.do(cancelled, "cancel", ANNA)).status_code == 200
    before = [await read(clinic, appointment) for appointment in (ahead, cancelled)]

    await clinic.merge(PATIENT, STRANGER)
    await finish(clinic)

    patient = {"patient_id": str(STRANGER), "patient": {"id": str(STRANGER), "full_name": "Bo Lind"}}
    for old in before:
        new = await read(clinic, old)
        assert new == old | patient | {"version": old["version"] + 1, "updated_at": new["updated_at"]}
        history = (await read(clinic, old, "/history"))["items"]
        assert [(entry["action"], entry["actor"]["role"]) for entry in history[-1:]] == [("amended", "system")]
        assert len(history) == old["version"]
    assert sorted((event.appointment_id, event.version, event.patient_id) for event in amended(clinic)) == sorted(
        (UUID(old["id"]), old["version"] + 1, STRANGER) for old in before
    )
    assert {(event.changed[0], event.sequence) for event in amended(clinic)} == {("patient", 0), ("patient", 1)}
    assert [item["id"] for item in (await clinic.get("/appointments", BO)).json()["items"]] == [ahead["id"], cancelled["id"]]
    assert (await clinic.get("/appointments", ANNA)).json()["items"] == []
    assert (await clinic.get(f"/appointments/{ahead['id']}", ANNA)).status_code == 404


async def test_an_event_that_comes_again_changes_nothing_more(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    await clinic.merge(PATIENT, STRANGER)
    await finish(clinic)
    after = await read(clinic, appointment)
    await clinic.merge(PATIENT, STRANGER)
    await finish(clinic)
    assert (await read(clinic, appointment), len(amended(clinic))) == (after, 1)


async def test_two_merges_in_a_row_end_with_the_last_patient(clinic: RunningClinic) -> None:
    appointment, own = await clinic.booked(), await clinic.booked(BO, starts_at=TEN.isoformat())
    await clinic.merge(PATIENT, STRANGER)
    await clinic.merge(STRANGER, LAST)
    await finish(clinic)
    assert [item["id"] for item in (await clinic.get("/appointments", CY)).json()["items"]] == [appointment["id"], own["id"]]


async def test_the_old_id_can_book_nothing_and_a_booking_that_was_stored_late_follows(clinic: RunningClinic) -> None:
    await clinic.merge(PATIENT, STRANGER)
    refused = await clinic.book(DESK, patient_id=str(PATIENT))
    assert (refused.status_code, refused.json()["code"]) == (404, "patient_merged")
    clinic.upstreams.merged.clear()
    clinic.upstreams.patients[PATIENT] = a_patient()
    late = await clinic.booked(ANNA)
    clinic.upstreams.merged[PATIENT] = STRANGER
    await finish(clinic)
    assert (await read(clinic, late))["patient_id"] == str(STRANGER)
    assert await clinic.published() == ["booked", "amended"]


async def test_where_the_target_was_erased_nothing_of_the_person_is_left(clinic: RunningClinic) -> None:
    keyed = DESK | {"Idempotency-Key": "k"}
    appointment = await clinic.booked(keyed, patient_id=str(PATIENT), reason="a rash", intake={"Since when?": "May"})
    del clinic.upstreams.patients[STRANGER]
    await clinic.service.publish_event(
        PatientErased(id=new_id(), occurred_at=NOON, patient_id=STRANGER, erasure_id=UUID(int=9), pass_number=2)
    )
    await clinic.merge(PATIENT, STRANGER)
    await finish(clinic)
    after = await read(clinic, appointment)
    assert (after["status"], after["patient"]) == ("cancelled", {"id": str(STRANGER), "full_name": "(erased)"})
    assert (after["reason"], after["intake"]) == (None, None)
    again = await clinic.book(keyed, patient_id=str(PATIENT), reason="a rash", intake={"Since when?": "May"})
    assert ("Anna" in again.text, again.json()["id"]) == (False, appointment["id"]), "no stored answer names the patient"


async def test_links_that_were_mailed_before_the_merge_keep_working_and_speak_to_the_target(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    link = f"/visit/{LINK_TOKENS.token_for(UUID(appointment['id']), PATIENT)}"
    for old, new in ((PATIENT, STRANGER), (STRANGER, LAST)):
        await clinic.merge(old, new)
        await finish(clinic)
        shown = await clinic.service.http.get(link, headers=JSON)
        assert (shown.status_code, shown.json()["local_start"]) == (200, "2026-03-09T17:00"), "in the target's time zone"
    key = {"appointment_id": appointment["id"], "recipient_id": str(LAST)}
    made = await clinic.service.http.post("/internal/visit-links", json={"links": [key]}, headers=NOTIFICATION_SERVICE)
    assert (await clinic.service.http.get(f"/visit/{made.json()['items'][0]['token']}", headers=JSON)).status_code == 200
    cancelled = await clinic.service.http.post(f"{link}/cancel", headers=JSON)
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert (await read(clinic, appointment, "/history"))["items"][-1]["actor"]["id"] == str(LAST)


async def test_the_limit_of_active_appointments_counts_those_of_both(clinic: RunningClinic) -> None:
    for hours in range(2):
        await clinic.booked(starts_at=(NINE + hours * 2 * HALF).isoformat())
    await clinic.booked(BO, starts_at=(NINE + HALF).isoformat())
    await clinic.merge(PATIENT, STRANGER)
    await finish(clinic)
    refused = await clinic.book(BO, starts_at=(NINE + 3 * HALF).isoformat())
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_active")
    (first, *_) = (await clinic.get("/appointments", BO)).json()["items"]
    assert (await clinic.do(first, "cancel", DESK)).status_code == 200
    assert (await clinic.book(BO, starts_at=(NINE + 3 * HALF).isoformat())).status_code == 201


async def test_the_doctor_and_staff_act_on_the_visit_as_before(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    await clinic.merge(PATIENT, STRANGER)
    await finish(clinic)
    moved = await clinic.do(appointment, "reschedule", DESK, starts_at=TEN.isoformat())
    assert (moved.status_code, clinic.upstreams.reserve_bodies[-1]["patient_id"]) == (200, str(STRANGER))
    clinic.service.clock.set(TEN)
    assert (await clinic.do(appointment, "check-in", DR_WEISS)).status_code == 200
    assert (await clinic.do(appointment, "restore", ADMIN)).status_code == 200


async def test_staff_who_book_for_a_former_id_are_told_who_has_the_data_and_others_are_not(clinic: RunningClinic) -> None:
    await clinic.merge(PATIENT, STRANGER)
    await clinic.merge(STRANGER, LAST)
    for staff in (DESK, ADMIN):
        refused = await clinic.book(staff, patient_id=str(PATIENT))
        assert (refused.status_code, refused.json()["code"], refused.json()["merged_into"]) == (404, "patient_merged", str(LAST))
    for caller in (CY, ANNA):
        refused = await clinic.book(caller, patient_id=str(PATIENT))
        assert (refused.status_code, refused.json()["code"], "merged_into" in refused.json()) == (404, "no_such_patient", False)
    unknown = await clinic.book(DESK, patient_id=str(UUID(int=0xDEAD)))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no_such_patient")


async def test_a_list_for_a_former_id_has_the_targets_appointments_for_staff_only(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    await clinic.merge(PATIENT, STRANGER)
    await clinic.merge(STRANGER, LAST)
    for is_finished in (False, True):
        for caller, expected in ((DESK, [appointment["id"]]), (ADMIN, [appointment["id"]])):
            listed = (await clinic.get(f"/appointments?patient_id={PATIENT}", caller)).json()["items"]
            assert [item["id"] for item in listed] == expected, is_finished
        for_services = await clinic.get(f"/internal/appointments?patient_id={PATIENT}", service_bearer("admin-service"))
        assert [item["id"] for item in for_services.json()["items"]] == [appointment["id"]]
        await finish(clinic)
    assert (await clinic.get(f"/appointments?patient_id={PATIENT}", CY)).json()["items"] == []
    doctors = (await clinic.get(f"/appointments?patient_id={PATIENT}", DR_WEISS)).json()["items"]
    assert doctors == [], "a doctor sees the own appointments by the ids that they have now"


def merge_unannounced(clinic: RunningClinic) -> None:
    """Merge Anna into Bo at patient-service, whose event has not arrived yet."""
    clinic.upstreams.merged[PATIENT] = STRANGER
    del clinic.upstreams.patients[PATIENT], clinic.upstreams.contacts[PATIENT]


async def test_a_link_in_a_mail_asks_for_patience_and_is_not_final_until_the_visit_has_followed_the_merge(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    link, http = f"/visit/{LINK_TOKENS.token_for(UUID(appointment['id']), PATIENT)}", clinic.service.http
    merge_unannounced(clinic)
    for method, path in (("GET", link), ("POST", f"{link}/confirm"), ("POST", f"{link}/cancel")):
        refused = await http.request(method, path, headers=JSON)
        assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "unavailable", "2")
    page = await http.get(link, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    await clinic.merge(PATIENT, STRANGER)
    await finish(clinic)
    assert (await http.get(link, headers=JSON)).status_code == 200


async def test_a_link_of_an_erased_patient_stays_final(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    del clinic.upstreams.patients[PATIENT], clinic.upstreams.contacts[PATIENT]
    link = f"/visit/{LINK_TOKENS.token_for(UUID(appointment['id']), PATIENT)}"
    refused = await clinic.service.http.get(link, headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (410, "link_expired")


async def test_a_visit_is_restored_once_it_has_followed_the_merge_and_is_not_refused_for_good_before(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    assert (await clinic.do(appointment, "cancel", DESK)).status_code == 200
    merge_unannounced(clinic)
    refused = await clinic.do(appointment, "restore", DESK)
    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "unavailable", "2")
    await clinic.merge(PATIENT, STRANGER)
    await finish(clinic)
    assert (await clinic.do(appointment, "restore", DESK)).status_code == 200
