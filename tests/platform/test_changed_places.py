"""A doctor's new place or name: each upcoming visit changes once, the patient gets one mail, and the API and both calendar files agree."""

from __future__ import annotations

from functools import partial
from typing import Any

from icalendar import Calendar

from tests.platform.accounts import (
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


def change_card(doctor: User, **changes: Any) -> None:
    """Change the doctor's own card."""
    version = doctor.request("GET", f"/doctors/{doctor.id}")["version"]
    doctor.request("PATCH", f"/doctors/{doctor.id}", changes, if_match=version)


def entry_in(file: str) -> dict[str, Any]:
    """Return what a calendar shows of the event in a calendar file."""
    (event,) = Calendar.from_ical(file).walk("VEVENT")
    return {name: str(event.get(name)) for name in ("UID", "SEQUENCE", "LOCATION", "SUMMARY", "STATUS")} | {"start": event["DTSTART"].dt}


def entry_of_mail(mail: dict[str, Any]) -> dict[str, Any]:
    return entry_in(mail["attachments"][0]["content"])


def follows(patient: User, appointment: dict[str, Any], version: int) -> bool:
    return bool(patient.request("GET", f"/appointments/{appointment['id']}")["version"] >= version)


def test_a_doctors_new_place_and_name_reach_each_upcoming_visit_and_its_patient_once(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    check_up, video = create_service_type(admin), create_service_type(admin, mode="video", requires_approval=True)
    doctor, patient = create_doctor(admin, check_up, video, location="Room 3"), register_patient(platform)
    starts = [slot["starts_at"] for slot in list_slots(patient, check_up, doctor.id)]
    visits = [book(patient, check_up, doctor, starts[0]), book(patient, check_up, doctor, starts[8])]
    call = book(patient, video, doctor, starts[16])
    email = patient.account["email"]
    for mail in wait_for_mails(platform, email, 3):
        is_call = call["id"] in entry_of_mail(mail)["UID"]
        assert entry_of_mail(mail)["LOCATION"] == ("None" if is_call else "Room 3")
        assert ("By video" in mail["text"], "Room 3" in str(mail)) == (is_call, not is_call)

    change_card(doctor, location="New Street 1")
    for appointment in (*visits, call):
        wait_until(partial(follows, patient, appointment, appointment["version"] + 1))
    amended = wait_for_mails(platform, email, 5)[3:]
    assert {mail["subject"].split(" - ")[0] for mail in amended} == {"Appointment changed"}
    assert all("The place of your appointment has changed" in mail["text"] for mail in amended)
    assert all("Where (new): New Street 1" in mail["text"] for mail in amended)
    entries = {entry["UID"]: entry for entry in map(entry_of_mail, amended)}
    for visit in visits:
        path = f"/appointments/{visit['id']}"
        shown, entry = patient.request("GET", path), entry_in(patient.request("GET", f"{path}/calendar.ics"))
        assert (shown["version"], shown["doctor"]["location"]) == (visit["version"] + 1, "New Street 1")
        assert entry == entries[f"{visit['id']}@careslot"]
        assert (entry["SEQUENCE"], entry["LOCATION"]) == ("1", "New Street 1")

    change_card(doctor, location="New Street 1")
    change_card(doctor, title="Prof.")
    for appointment in (*visits, call):
        wait_until(partial(follows, patient, appointment, appointment["version"] + 2))
    renamed = wait_for_mails(platform, email, 8)[5:]
    entries = {entry["UID"]: entry for entry in map(entry_of_mail, renamed)}
    for appointment in (*visits, call):
        calendar = entry_in(patient.request("GET", f"/appointments/{appointment['id']}/calendar.ics"))
        assert calendar == entries[f"{appointment['id']}@careslot"]
        assert "Prof. Ada Brandt" in calendar["SUMMARY"]
    assert all("With (new): Prof. Ada Brandt" in mail["text"] for mail in renamed)
    assert entries[f"{call['id']}@careslot"]["STATUS"] == "TENTATIVE"
    assert len(wait_for_mails(platform, doctor.account["email"], 3)) == 3
