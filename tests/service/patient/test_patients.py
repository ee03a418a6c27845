"""Profiles over HTTP, and who sees how much of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy

from patient_svc.repository.tables import PATIENTS
from shared.contracts.events import AccountChanged, AppointmentEvent, PatientChanged
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService, run_service
from tests.service.patient.running_patient import AUTH, DOCTOR, OTHER, PROFILE, SAM, SAMS_TOKEN, update_profile
from tests.tokens import bearer, service_bearer


def an_appointment_event(topic: str, version: int, status: str, doctor: UUID = DOCTOR) -> AppointmentEvent:
    people = {"appointment_id": UUID(int=9), "service_id": UUID(int=8), "doctor_id": doctor, "patient_id": SAM}
    times = {"occurred_at": NOON, "starts_at": NOON, "ends_at": NOON, "time_zone": "UTC"}
    actor = Actor(id=SAM, role=Role.PATIENT)
    return AppointmentEvent.for_topic(topic, id=new_id(), version=version, sequence=0, status=status, actor=actor, **people, **times)


async def status_for(service: RunningService, headers: dict[str, str]) -> int:
    return (await service.http.get(f"/patients/{SAM}", headers=headers)).status_code


async def test_creating_a_profile_twice_changes_nothing(patients: RunningService) -> None:
    again = await patients.http.put(f"/internal/patients/{SAM}", json=PROFILE | {"full_name": "Other"}, headers=AUTH)
    assert again.json()["full_name"] == "Sam Lee"
    await patients.run_until_idle()
    assert len(patients.published) == 1


async def test_simultaneous_requests_create_one_profile(patients: RunningService) -> None:
    path = f"/internal/patients/{OTHER}"
    responses = await asyncio.gather(*(patients.http.put(path, json=PROFILE, headers=AUTH) for _ in range(6)))
    assert {response.status_code for response in responses} == {200}
    await patients.run_until_idle()
    assert len([event for event in patients.published if isinstance(event, PatientChanged) and event.patient_id == OTHER]) == 1


async def test_a_new_profile_has_all_fields(patients: RunningService) -> None:
    profile = await patients.http.get("/patients/me", headers=SAMS_TOKEN)
    absent = dict.fromkeys(("email", "born_on", "sex", "address", "emergency_contact", "preferred_contact"))
    assert (profile.headers["etag"], profile.headers["cache-control"]) == ('"1"', "no-store")
    defaults = {"identifiers": [], "reminders_consent": True}
    assert profile.json() == PROFILE | absent | defaults | {"id": str(SAM), "version": 1}
    assert (await patients.http.get(f"/patients/{SAM}", headers=SAMS_TOKEN)).json() == profile.json()


async def test_an_address_and_a_contact_are_stored_as_sent_and_removed_with_null(patients: RunningService) -> None:
    address = {"line1": "Main St 1", "line2": None, "city": "Berlin", "postal_code": "10115", "region": None, "country": "DE"}
    contact = {"full_name": "Kim Lee", "phone": "+49 1 2345", "relationship": "sister"}
    stored = (await update_profile(patients, 1, address=address, emergency_contact=contact, full_name="Samantha Lee")).json()
    assert (stored["address"], stored["emergency_contact"], stored["full_name"]) == (address, contact, "Samantha Lee")
    assert (await update_profile(patients, 2, address={name: value for name, value in address.items() if value})).json()["version"] == 2
    cleared = (await update_profile(patients, 2, address=None, emergency_contact=None)).json()
    assert (cleared["address"], cleared["emergency_contact"], cleared["version"]) == (None, None, 3)


async def test_fields_are_changed_one_by_one_and_removed_with_null(patients: RunningService) -> None:
    address = {"line1": "Main St 1", "city": "Berlin", "country": "DE"}
    contact = {"full_name": "Kim", "phone": "+49 1"}
    changed = await update_profile(patients, 1, born_on="1990-05-01", sex="female", address=address, emergency_contact=contact)
    assert changed.status_code == 200, changed.text
    body = changed.json()
    assert (body["born_on"], body["sex"], body["address"]["city"], body["phone"]) == ("1990-05-01", "female", "Berlin", "+49 30 123456")
    assert changed.headers["etag"] == '"2"'
    assert (await update_profile(patients, 2, phone=None)).json()["phone"] is None
    unchanged = await update_profile(patients, 3, born_on="1990-05-01")
    assert unchanged.json()["version"] == 3
    await patients.run_until_idle()
    assert [event.version for event in patients.published if isinstance(event, PatientChanged)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("time_zone", "Mars/Base", "unknown_time_zone"),
        ("time_zone", "Europe/Berlin\n", "unknown_time_zone"),
        ("full_name", "", "validation_failed"),
        ("full_name", "A\u0000", "control_character"),
        ("full_name", "Sam\nLee", "control_character"),
        ("full_name", "\u200b", "control_character"),
        ("phone", "+49 30 1234\n", "control_character"),
        ("address", {"line1": "Main St\n1", "city": "Berlin", "country": "DE"}, "control_character"),
        ("emergency_contact", {"full_name": "Kim\tLee", "phone": "+49 1234"}, "control_character"),
        ("phone", "call me", "validation_failed"),
        ("locale", "x", "validation_failed"),
        ("sex", "none", "validation_failed"),
        ("born_on", "2027-01-01", "born_later"),
        ("born_on", "yesterday", "validation_failed"),
        ("address", {"line1": "x"}, "validation_failed"),
        ("address", {"line1": "x", "city": "y", "country": "Germany"}, "validation_failed"),
        ("emergency_contact", {"full_name": "Kim"}, "validation_failed"),
        ("emergency_contact", {"full_name": "Kim", "phone": "+49 1", "email": "k@x.example"}, "validation_failed"),
        ("email", "x@example.com", "validation_failed"),
    ],
)
async def test_an_invalid_field_is_named_and_nothing_changes(patients: RunningService, field: str, value: Any, code: str) -> None:
    response = await update_profile(patients, 1, **{field: value})
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["errors"][0]["pointer"].startswith(f"/{field}") or response.json()["errors"][0]["pointer"] == ""
    assert (await patients.http.get("/patients/me", headers=SAMS_TOKEN)).json()["version"] == 1


async def test_a_profile_from_before_control_characters_were_refused_is_still_shown(patients: RunningService, sql_url: str) -> None:
    old = {
        "full_name": "Sam\nLee",
        "address": {"line1": "Main St 1\nYard", "city": "Berlin", "country": "DE"},
        "emergency_contact": {"full_name": "Kim\tLee", "phone": "+49 1234", "relationship": "\u200b"},
    }
    async with Database(sql_url) as database, database.write() as connection:
        await connection.execute(sqlalchemy.update(PATIENTS).values(old))
    profile = await patients.http.get("/patients/me", headers=SAMS_TOKEN)
    assert profile.status_code == 200, profile.text
    absent = {"line2": None, "postal_code": None, "region": None}
    shown = {name: profile.json()[name] for name in old}
    assert shown == old | {"address": {**old["address"], **absent}}  # type: ignore[dict-item]
    assert (await update_profile(patients, 1, phone="+49 30 99")).status_code == 200


async def test_patients_who_give_no_time_zone_have_the_clinics_also_after_it_has_changed(tmp_path: Path, sql_url: str) -> None:
    kim = bearer(Role.PATIENT, OTHER)
    for number, zone in enumerate(("Europe/Berlin", "America/New_York"), start=1):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with run_service("patient_svc", folder, database_url=sql_url, time_zone=zone) as service:
            created = await service.http.put(f"/internal/patients/{SAM}", json={"full_name": "Sam Lee"}, headers=AUTH)
            own = await service.http.put(f"/internal/patients/{OTHER}", json={"full_name": "Kim", "time_zone": "UTC"}, headers=AUTH)
            assert (created.json()["time_zone"], own.json()["time_zone"]) == (zone, "UTC")
            mine = await service.http.get("/patients/me", headers=SAMS_TOKEN)
            summary = await service.http.get(f"/internal/patients/{SAM}", headers=AUTH)
            assert summary.json()["own_locale"] is None, "the clinic's is not the patient's own"
            seen_by_staff = await service.http.get(f"/patients/{SAM}", headers=bearer(Role.ADMIN))
            changed = await update_profile(service, number, phone=f"+49 30 {number}")
            assert {response.json()["time_zone"] for response in (mine, summary, seen_by_staff, changed)} == {zone}
            assert (await service.http.get("/patients/me", headers=kim)).json()["time_zone"] == "UTC"


async def test_null_gives_up_ones_own_time_zone(patients: RunningService) -> None:
    cleared = (await update_profile(patients, 1, time_zone=None)).json()
    assert (cleared["time_zone"], cleared["version"]) == ("UTC", 2)
    assert (await update_profile(patients, 2, time_zone=None)).json()["version"] == 2


async def test_the_preconditions_of_a_change(patients: RunningService) -> None:
    assert (await patients.http.patch("/patients/me", json={}, headers=SAMS_TOKEN)).status_code == 428
    assert (await update_profile(patients, 7, phone=None)).status_code == 412
    assert (await patients.http.get("/patients/me")).status_code == 401
    assert (await patients.http.get("/patients/me", headers=bearer(Role.ADMIN))).status_code == 403
    assert (await patients.http.get("/patients/me", headers=bearer(Role.PATIENT))).status_code == 404


async def test_each_role_sees_only_what_it_needs(patients: RunningService) -> None:
    await update_profile(patients, 1, born_on="1990-05-01", sex="female")
    assert await status_for(patients, SAMS_TOKEN) == 200
    assert await status_for(patients, bearer(Role.PATIENT, OTHER)) == 404
    assert await status_for(patients, bearer(Role.DOCTOR, DOCTOR)) == 404
    admin = (await patients.http.get(f"/patients/{SAM}", headers=bearer(Role.ADMIN))).json()
    reception = (await patients.http.get(f"/patients/{SAM}", headers=bearer(Role.RECEPTION))).json()
    assert (admin["born_on"], admin["sex"]) == ("1990-05-01", "female")
    assert (reception["born_on"], reception["sex"], reception["phone"]) == (None, None, "+49 30 123456")


async def test_a_doctor_sees_a_patient_from_the_first_appointment_until_it_is_called_off(patients: RunningService) -> None:
    doctor = bearer(Role.DOCTOR, DOCTOR)
    await patients.publish_event(an_appointment_event("appointment.booked.v1", 2, "booked"))
    assert await status_for(patients, doctor) == 200
    assert await status_for(patients, bearer(Role.DOCTOR, OTHER)) == 404
    await patients.publish_event(an_appointment_event("appointment.completed.v1", 5, "completed"))
    assert await status_for(patients, doctor) == 200
    await patients.publish_event(an_appointment_event("appointment.cancelled.v1", 6, "cancelled"))
    await patients.publish_event(an_appointment_event("appointment.checked_in.v1", 3, "checked_in"))
    assert await status_for(patients, doctor) == 404


async def test_an_appointment_that_changes_doctor_shows_the_patient_to_the_new_doctor_only(patients: RunningService) -> None:
    await patients.publish_event(an_appointment_event("appointment.booked.v1", 2, "booked"))
    await patients.publish_event(an_appointment_event("appointment.rescheduled.v1", 3, "booked", OTHER))
    assert await status_for(patients, bearer(Role.DOCTOR, OTHER)) == 200
    assert await status_for(patients, bearer(Role.DOCTOR, DOCTOR)) == 404


async def test_a_disabled_account_deactivates_the_profile_and_an_older_event_does_not_undo_it(patients: RunningService) -> None:
    change = {"occurred_at": NOON, "account_id": SAM, "role": Role.PATIENT}
    await patients.publish_event(AccountChanged.model_validate(change | {"id": new_id(), "status": "disabled", "version": 3}))
    await patients.publish_event(AccountChanged.model_validate(change | {"id": new_id(), "status": "active", "version": 2}))
    summary = (await patients.http.get(f"/internal/patients/{SAM}", headers=service_bearer("appointment-service"))).json()
    languages: dict[str, Any] = {"locale": "de", "own_locale": "de", "guardian_ids": []}
    assert summary == {"id": str(SAM), "full_name": "Sam Lee", "time_zone": "Europe/Berlin", "active": False, "version": 2} | languages
    await patients.publish_event(AccountChanged.model_validate(change | {"id": new_id(), "status": "active", "version": 4}))
    summary = (await patients.http.get(f"/internal/patients/{SAM}", headers=service_bearer("appointment-service"))).json()
    assert (summary["active"], summary["version"]) == (True, 3)
    assert [event.version for event in patients.published if isinstance(event, PatientChanged)] == [1, 2, 3]


async def test_events_about_an_unknown_account_are_ignored(patients: RunningService) -> None:
    change = {"occurred_at": NOON, "account_id": OTHER, "role": Role.DOCTOR, "id": new_id(), "status": "active", "version": 1}
    await patients.publish_event(AccountChanged.model_validate(change))
    assert await status_for(patients, SAMS_TOKEN) == 200


async def test_an_event_that_arrives_twice_is_handled_once(patients: RunningService) -> None:
    event = an_appointment_event("appointment.booked.v1", 2, "booked")
    await patients.publish_event(event)
    await patients.publish_event(event)
    assert await status_for(patients, bearer(Role.DOCTOR, DOCTOR)) == 200


async def test_internal_routes_accept_only_the_services_that_need_them(patients: RunningService) -> None:
    path = f"/internal/patients/{SAM}"
    assert (await patients.http.get(path, headers=service_bearer("notification-service"))).status_code == 200
    assert (await patients.http.get(path, headers=service_bearer("doctor-service"))).status_code == 403
    assert (await patients.http.get(f"{path}/dependants", headers=service_bearer("scheduling-service"))).status_code == 403
    assert (await patients.http.get(path, headers=SAMS_TOKEN)).status_code == 403
    assert (await patients.http.put(path, json=PROFILE, headers=service_bearer("doctor-service"))).status_code == 403
    renamed = await patients.http.patch(path, json={"full_name": "Sam L."}, headers=service_bearer("admin-service"))
    assert renamed.json()["full_name"] == "Sam L."
    assert (await patients.http.get(f"/internal/patients/{OTHER}", headers=AUTH)).status_code == 404
