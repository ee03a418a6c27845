"""The most important operations of patients, doctors and admins, through the gateway, in each way of running the platform."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote
from uuid import uuid4
from zoneinfo import ZoneInfo

from icalendar import Calendar

from tests.platform.accounts import (
    PASSWORD,
    User,
    book,
    create_doctor,
    create_service_type,
    list_slots,
    register_patient,
    sign_in_admin,
    wait_for_mails,
)
from tests.platform.houses import Platform, wait_until


def calendar_of(mail: dict[str, Any]) -> Any:
    content = next(part["content"] for part in mail["attachments"] if part["filename"] == "appointment.ics")
    return Calendar.from_ical(content)


def event_of(mail: dict[str, Any]) -> Any:
    return calendar_of(mail).walk("VEVENT")[0]


def test_a_patient_books_moves_and_cancels_and_both_sides_get_mails(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    free = list_slots(patient, service, doctor.id)
    first, second = free[0]["starts_at"], free[10]["starts_at"]

    appointment = book(patient, service, doctor, first, reason="a secret reason")
    assert (appointment["status"], appointment["starts_at"], appointment["patient_id"]) == ("booked", first, patient.id)
    assert first not in [slot["starts_at"] for slot in list_slots(patient, service, doctor.id)]
    confirmations = wait_for_mails(platform, patient.account["email"], 1) + wait_for_mails(platform, doctor.account["email"], 1)
    for mail in confirmations:
        calendar = calendar_of(mail)
        assert calendar["METHOD"] == "REQUEST"
        assert "a secret reason" not in str(mail)
        assert service["name"] not in calendar.to_ical().decode() + mail["subject"]

    path = f"/appointments/{appointment['id']}"
    moved = patient.request("POST", f"{path}/reschedule", {"starts_at": second})
    assert (moved["id"], moved["starts_at"], moved["version"]) == (appointment["id"], second, appointment["version"] + 1)
    assert first in [slot["starts_at"] for slot in list_slots(patient, service, doctor.id)]
    mails = wait_for_mails(platform, patient.account["email"], 2)
    before, after = event_of(mails[0]), event_of(mails[1])
    assert before["UID"] == after["UID"]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])

    assert patient.request("POST", f"{path}/cancel")["status"] == "cancelled"
    assert patient.request("POST", f"{path}/cancel")["status"] == "cancelled"
    mails = wait_for_mails(platform, patient.account["email"], 3)
    assert calendar_of(mails[2])["METHOD"] == "CANCEL"
    assert event_of(mails[2])["UID"] == before["UID"]
    assert len(wait_for_mails(platform, doctor.account["email"], 3)) == 3
    assert [line["after"]["status"] for line in patient.request("GET", f"{path}/history")["items"]][-1] == "cancelled"
    assert second in [slot["starts_at"] for slot in list_slots(patient, service, doctor.id)]


def test_people_who_give_no_time_zone_are_told_times_in_the_clinics(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform, time_zone=None)
    assert patient.request("GET", "/patients/me")["time_zone"] == platform.time_zone
    appointment = book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"])
    assert appointment["time_zone"] == "Europe/Berlin"
    start = datetime.fromisoformat(appointment["starts_at"])
    for person, zone in ((patient, platform.time_zone), (doctor, "Europe/Berlin")):
        (mail,) = wait_for_mails(platform, person.account["email"], 1)
        assert f"{start.astimezone(ZoneInfo(zone)):%Y, %H:%M}" in mail["text"]
        assert f"Times are in {zone}." in mail["text"]


def test_a_patient_whose_address_and_name_are_not_ascii_gets_mails(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, email = create_doctor(admin, service), f"jürgen.{uuid4().hex[:12]}@patients.example"
    registration = {"email": email, "password": PASSWORD, "full_name": "Jürgen 山田", "time_zone": "Asia/Tokyo"}
    response = User(platform).request("POST", "/auth/register", registration, status=201)
    patient = User(platform, response["account"], response["access_token"])
    book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"])
    (mail,) = wait_for_mails(platform, email, 1)
    assert mail["to"] == f"Jürgen 山田 <{email}>"
    assert "Times are in Asia/Tokyo." in mail["text"]
    assert unquote(event_of(mail)["ATTENDEE"]) == f"mailto:{email}"
    assert event_of(mail)["ATTENDEE"].isascii()


def test_a_time_is_booked_once_and_others_get_alternatives(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient, rival = create_doctor(admin, service), register_patient(platform), register_patient(platform, "Tom Weber")
    start = list_slots(patient, service, doctor.id)[0]["starts_at"]
    book(patient, service, doctor, start)
    refused = rival.request("POST", "/appointments", {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": start}, status=409)
    assert refused["code"] == "slot_taken"
    assert refused["alternatives"]
    book(rival, service, doctor, refused["alternatives"][0]["starts_at"])


def test_a_repeated_request_returns_the_same_appointment(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    booking = {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": list_slots(patient, service, doctor.id)[0]["starts_at"]}
    first = patient.request("POST", "/appointments", booking, key="once")
    assert patient.request("POST", "/appointments", booking, key="once") == first
    assert len(patient.request("GET", "/appointments")["items"]) == 1


def test_a_doctor_approves_and_completes_an_appointment(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin, requires_approval=True)
    now = datetime.now(UTC)
    noon_zone = f"Etc/GMT{now.hour - 12:+d}"  # where it is noon now, so that the next slot is today
    doctor, patient, other_doctor = create_doctor(admin, service, time_zone=noon_zone), register_patient(platform), create_doctor(admin)
    soon: dict[str, Any] = {"from": f"{now + timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ}"}
    today = list_slots(patient, service, doctor.id, **soon)[0]["starts_at"]
    appointment = book(patient, service, doctor, today)
    path = f"/appointments/{appointment['id']}"
    assert appointment["status"] == "requested"
    assert [item["id"] for item in doctor.request("GET", "/appointments")["items"]] == [appointment["id"]]
    other_doctor.request("GET", path, status=404)
    patient.request("POST", f"{path}/approve", status=403)
    assert doctor.request("POST", f"{path}/approve")["status"] == "booked"
    assert doctor.request("POST", f"{path}/no-show", status=409)
    for action, status in (("check-in", "checked_in"), ("start", "in_progress"), ("complete", "completed")):
        assert doctor.request("POST", f"{path}/{action}")["status"] == status
    assert doctor.request("POST", f"{path}/cancel", status=409)["code"] == "illegal_move"
    later = f"/appointments/{book(patient, service, doctor, list_slots(patient, service, doctor.id)[-1]['starts_at'])['id']}"
    doctor.request("POST", f"{later}/approve")
    assert doctor.request("POST", f"{later}/check-in", status=409)["code"] == "too_early"


def test_a_doctor_changes_the_hours_and_the_slots_follow(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    appointment = book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"])
    schedule = doctor.request("GET", f"/doctors/{doctor.id}/schedules")
    changed = doctor.request("PUT", f"/doctors/{doctor.id}/schedules", {"weekly": []}, if_match=schedule["version"])
    assert list_slots(doctor, service, doctor.id) == []
    assert changed["outside_hours"] == [{"appointment_id": appointment["id"], "starts_at": appointment["starts_at"]}]
    assert patient.request("GET", f"/appointments/{appointment['id']}")["status"] == "booked"
    doctor.request("PUT", f"/doctors/{doctor.id}/schedules", {"weekly": []}, if_match=schedule["version"], status=412)


def test_an_admin_moves_any_appointment_and_manages_users(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    free = list_slots(patient, service, doctor.id)
    appointment = book(patient, service, doctor, free[0]["starts_at"])
    assert appointment["id"] in [item["id"] for item in admin.request("GET", "/admin/appointments", patient_id=patient.id)["items"]]
    change = {"starts_at": free[8]["starts_at"], "reason": "the room is closed"}
    moved = admin.request("PUT", f"/admin/appointments/{appointment['id']}", change, if_match=appointment["version"])
    assert moved["starts_at"] == free[8]["starts_at"]
    user = admin.request("GET", f"/admin/users/{patient.id}")
    assert (user["email"], user["role"], user["status"]) == (patient.account["email"], "patient", "active")
    deleted = admin.request("DELETE", f"/admin/users/{patient.id}")
    assert [entry["id"] for entry in deleted["future_appointments"]] == [appointment["id"]]
    for path in ("/patients/me", "/appointments"):
        wait_until(partial(_is_refused, patient, path), seconds=5)


def test_an_ended_session_is_refused_everywhere_within_five_seconds(platform: Platform) -> None:
    patient = register_patient(platform)
    paths = ("/patients/me", "/appointments", "/auth/me")
    for path in paths:
        patient.request("GET", path)
    patient.request("POST", "/auth/logout", {"refresh_token": patient.refresh}, status=204)
    for path in (*paths, "/services", "/slots?service_id=00000000-0000-0000-0000-000000000000"):
        wait_until(partial(_is_refused, patient, path), seconds=5)


def _is_refused(user: User, path: str) -> bool:
    return user.http.get(path).status_code == 401


def test_an_invited_doctor_chooses_a_password_and_signs_in(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    email = f"invited-{uuid4().hex[:12]}@doctors.example"
    body = {"email": email, "full_name": "Iris Okafor", "time_zone": "Europe/London", "specialties": ["Dermatology"], "services": []}
    doctor = admin.request("POST", "/doctors", body, status=201)
    text = wait_for_mails(platform, email, 1)[0]["text"]
    token = next(line.strip() for line in text.splitlines() if len(line.strip()) > 30 and " " not in line.strip() and "://" not in line)
    User(platform).request("POST", "/auth/password/reset", {"token": token, "new_password": "another long pass phrase"})
    response = User(platform).request("POST", "/auth/login", {"email": email, "password": "another long pass phrase"})
    assert (response["account"]["id"], response["account"]["role"]) == (doctor["id"], "doctor")


def test_internal_routes_are_not_reachable_from_outside(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    for path in (
        "/internal/accounts",
        f"/internal/patients/{admin.id}",
        "/auth/../internal/accounts",
        "/%69nternal/accounts",
        "//internal/accounts",
    ):
        assert admin.http.get(path).status_code == 404, path


def test_the_merged_openapi_document_names_every_operation_once(platform: Platform) -> None:
    document = User(platform).request("GET", "/openapi.json")
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    for path in ("/auth/register", "/patients/me", "/doctors/{doctor_id}/schedules", "/slots", "/appointments", "/admin/users"):
        assert path in document["paths"], path
    assert not [path for path in document["paths"] if path.startswith("/internal")]
