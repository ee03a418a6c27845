"""The main job, through the gateway, in both ways of running it."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

from icalendar import Calendar

from tests.platform.houses import House, eventually
from tests.platform.people import Person, admin_of, booked, doctor_of, mails_to, patient_of, service_of, slots


def calendar_of(mail: dict[str, Any]) -> Any:
    content = next(part["content"] for part in mail["attachments"] if part["filename"] == "appointment.ics")
    return Calendar.from_ical(content)


def event_of(mail: dict[str, Any]) -> Any:
    return calendar_of(mail).walk("VEVENT")[0]


def test_a_patient_books_moves_and_cancels_and_everyone_is_told(house: House) -> None:
    admin = admin_of(house)
    service = service_of(admin)
    doctor, patient = doctor_of(admin, service), patient_of(house)
    free = slots(patient, service, doctor.id)
    first, second = free[0]["starts_at"], free[10]["starts_at"]

    appointment = booked(patient, service, doctor, first, reason="a secret reason")
    assert (appointment["status"], appointment["starts_at"], appointment["patient_id"]) == ("booked", first, patient.id)
    assert first not in [slot["starts_at"] for slot in slots(patient, service, doctor.id)]
    told = mails_to(house, patient.account["email"], 1) + mails_to(house, doctor.account["email"], 1)
    for mail in told:
        calendar = calendar_of(mail)
        assert calendar["METHOD"] == "REQUEST"
        assert "a secret reason" not in str(mail)
        assert service["name"] not in calendar.to_ical().decode() + mail["subject"]

    path = f"/appointments/{appointment['id']}"
    moved = patient.ask("POST", f"{path}/reschedule", {"starts_at": second})
    assert (moved["id"], moved["starts_at"], moved["version"]) == (appointment["id"], second, appointment["version"] + 1)
    assert first in [slot["starts_at"] for slot in slots(patient, service, doctor.id)]
    mails = mails_to(house, patient.account["email"], 2)
    before, after = event_of(mails[0]), event_of(mails[1])
    assert before["UID"] == after["UID"]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])

    assert patient.ask("POST", f"{path}/cancel")["status"] == "cancelled"
    assert patient.ask("POST", f"{path}/cancel")["status"] == "cancelled"
    mails = mails_to(house, patient.account["email"], 3)
    assert calendar_of(mails[2])["METHOD"] == "CANCEL"
    assert event_of(mails[2])["UID"] == before["UID"]
    assert len(mails_to(house, doctor.account["email"], 3)) == 3
    assert [line["after"]["status"] for line in patient.ask("GET", f"{path}/history")["items"]][-1] == "cancelled"
    assert second in [slot["starts_at"] for slot in slots(patient, service, doctor.id)]


def test_a_time_is_given_once_and_others_get_alternatives(house: House) -> None:
    admin = admin_of(house)
    service = service_of(admin)
    doctor, patient, rival = doctor_of(admin, service), patient_of(house), patient_of(house, "Tom Weber")
    start = slots(patient, service, doctor.id)[0]["starts_at"]
    booked(patient, service, doctor, start)
    refused = rival.ask("POST", "/appointments", {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": start}, status=409)
    assert refused["code"] == "slot_taken"
    assert refused["alternatives"]
    booked(rival, service, doctor, refused["alternatives"][0]["starts_at"])


def test_a_repeated_wish_meets_its_own_appointment(house: House) -> None:
    admin = admin_of(house)
    service = service_of(admin)
    doctor, patient = doctor_of(admin, service), patient_of(house)
    wish = {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": slots(patient, service, doctor.id)[0]["starts_at"]}
    first = patient.ask("POST", "/appointments", wish, key="once")
    assert patient.ask("POST", "/appointments", wish, key="once") == first
    assert len(patient.ask("GET", "/appointments")["items"]) == 1


def test_a_doctor_runs_the_day(house: House) -> None:
    admin = admin_of(house)
    service = service_of(admin, requires_approval=True)
    doctor, patient, stranger = doctor_of(admin, service), patient_of(house), doctor_of(admin)
    appointment = booked(patient, service, doctor, slots(patient, service, doctor.id)[0]["starts_at"])
    path = f"/appointments/{appointment['id']}"
    assert appointment["status"] == "requested"
    assert [item["id"] for item in doctor.ask("GET", "/appointments")["items"]] == [appointment["id"]]
    stranger.ask("GET", path, status=404)
    patient.ask("POST", f"{path}/approve", status=403)
    assert doctor.ask("POST", f"{path}/approve")["status"] == "booked"
    assert doctor.ask("POST", f"{path}/no-show", status=409)
    for action, status in (("check-in", "checked_in"), ("start", "in_progress"), ("complete", "completed")):
        assert doctor.ask("POST", f"{path}/{action}")["status"] == status
    assert doctor.ask("POST", f"{path}/cancel", status=409)["code"] == "illegal_move"


def test_a_doctor_changes_the_hours_and_the_slots_follow(house: House) -> None:
    admin = admin_of(house)
    service = service_of(admin)
    doctor = doctor_of(admin, service)
    schedule = doctor.ask("GET", f"/doctors/{doctor.id}/schedules")
    doctor.ask("PUT", f"/doctors/{doctor.id}/schedules", {"weekly": []}, match=schedule["version"])
    eventually(lambda: slots(doctor, service, doctor.id) == [])
    doctor.ask("PUT", f"/doctors/{doctor.id}/schedules", {"weekly": []}, match=schedule["version"], status=412)


def test_an_admin_moves_any_appointment_and_runs_the_users(house: House) -> None:
    admin = admin_of(house)
    service = service_of(admin)
    doctor, patient = doctor_of(admin, service), patient_of(house)
    free = slots(patient, service, doctor.id)
    appointment = booked(patient, service, doctor, free[0]["starts_at"])
    assert appointment["id"] in [item["id"] for item in admin.ask("GET", "/admin/appointments", patient_id=patient.id)["items"]]
    change = {"starts_at": free[8]["starts_at"], "reason": "the room is closed"}
    moved = admin.ask("PUT", f"/admin/appointments/{appointment['id']}", change, match=appointment["version"])
    assert moved["starts_at"] == free[8]["starts_at"]
    user = admin.ask("GET", f"/admin/users/{patient.id}")
    assert (user["email"], user["role"], user["status"]) == (patient.account["email"], "patient", "active")
    gone = admin.ask("DELETE", f"/admin/users/{patient.id}")
    assert [entry["id"] for entry in gone["future_appointments"]] == [appointment["id"]]
    eventually(lambda: patient.http.get("/patients/me").status_code == 401, seconds=5)
    patient.ask("GET", "/appointments", status=401)


def test_an_ended_session_is_refused_everywhere_within_five_seconds(house: House) -> None:
    patient = patient_of(house)
    own = ("/patients/me", "/appointments", "/auth/me")
    for path in own:
        patient.ask("GET", path)
    patient.ask("POST", "/auth/logout", {"refresh_token": patient.refresh}, status=204)
    for path in (*own, "/services", "/slots?service_id=00000000-0000-0000-0000-000000000000"):
        eventually(partial(_is_refused, patient, path), seconds=5)


def _is_refused(person: Person, path: str) -> bool:
    return person.http.get(path).status_code == 401


def test_an_invited_doctor_chooses_a_password_and_signs_in(house: House) -> None:
    admin = admin_of(house)
    email = f"invited-{uuid4().hex[:12]}@doctors.example"
    body = {"email": email, "full_name": "Iris Okafor", "time_zone": "Europe/London", "specialties": ["Dermatology"], "services": []}
    doctor = admin.ask("POST", "/doctors", body, status=201)
    text = mails_to(house, email, 1)[0]["text"]
    token = next(line.strip() for line in text.splitlines() if len(line.strip()) > 30 and " " not in line.strip() and "://" not in line)
    Person(house).ask("POST", "/auth/password/reset", {"token": token, "new_password": "another long pass phrase"})
    answer = Person(house).ask("POST", "/auth/login", {"email": email, "password": "another long pass phrase"})
    assert (answer["account"]["id"], answer["account"]["role"]) == (doctor["id"], "doctor")


def test_internal_routes_are_not_reachable_from_outside(house: House) -> None:
    admin = admin_of(house)
    for path in (
        "/internal/accounts",
        f"/internal/patients/{admin.id}",
        "/auth/../internal/accounts",
        "/%69nternal/accounts",
        "//internal/accounts",
    ):
        assert admin.http.get(path).status_code == 404, path


def test_the_joined_document_names_every_operation_once(house: House) -> None:
    document = Person(house).ask("GET", "/openapi.json")
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    for path in ("/auth/register", "/patients/me", "/doctors/{doctor_id}/schedules", "/slots", "/appointments", "/admin/users"):
        assert path in document["paths"], path
    assert not [path for path in document["paths"] if path.startswith("/internal")]
