"""Leaves and closures through the gateway: which appointments stay, who gets which mail, and which times become free again."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

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


def free_starts(user: User, service: dict[str, Any], doctor: User, time: tuple[str, str]) -> list[str]:
    within: dict[str, Any] = {"from": time[0], "to": time[1]}
    return [slot["starts_at"] for slot in list_slots(user, service, doctor.id, **within)]


def is_closed(user: User, service: dict[str, Any], doctor: User, time: tuple[str, str]) -> bool:
    return free_starts(user, service, doctor, time) == []


def mail_titles(platform: Platform, user: User, count: int) -> list[str]:
    """Wait until a user has `count` mails and no more, and return what their subjects begin with."""
    return [mail["subject"].split(" - ")[0] for mail in wait_for_mails(platform, user.account["email"], count)]


def has_state(patient: User, appointment: dict[str, Any], doctor: User, *, starts_at: str, status: str) -> bool:
    current = patient.request("GET", f"/appointments/{appointment['id']}")
    return (current["status"], current["starts_at"], current["doctor"]["id"]) == (status, starts_at, doctor.id)


def test_a_leave_keeps_cancels_and_moves_appointments_and_each_patient_gets_one_mail(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, colleague = create_doctor(admin, service), create_doctor(admin, service)
    kept, cancelled, moved = patients = [register_patient(platform, name) for name in ("Mina Park", "Tom Weber", "Lea Sommer")]
    starts = [slot["starts_at"] for slot in list_slots(admin, service, doctor.id)[:9:4]]
    visits = [book(patient, service, doctor, start) for patient, start in zip(patients, starts, strict=True)]
    time = (starts[0], visits[-1]["ends_at"])
    for patient in patients:
        wait_for_mails(platform, patient.account["email"], 1)

    path, leave_time = f"/doctors/{doctor.id}/leaves", {"starts_at": time[0], "ends_at": time[1]}
    affected = doctor.request("POST", f"{path}/preview", leave_time)["affected"]
    assert [item["appointment_id"] for item in affected] == [visit["id"] for visit in visits]
    assert affected[0]["proposals"] == [
        {"doctor_id": colleague.id, "starts_at": starts[0]},
        {"doctor_id": doctor.id, "starts_at": time[1]},
    ]
    decisions = [
        {"appointment_id": visit["id"], "action": action} for visit, action in zip(visits, ("keep", "cancel", "move"), strict=True)
    ]
    decisions[2] |= affected[2]["proposals"][0]
    request = leave_time | {"reason": "Away", "affected": decisions}
    colleague.request("POST", path, request, status=403)
    refused = doctor.request("POST", path, request | {"affected": decisions[1:]}, status=409)
    assert (refused["code"], len(refused["affected"])) == ("affected_changed", 3)
    leave = doctor.request("POST", path, request, status=201, key="once")
    assert doctor.request("POST", path, request, status=201, key="once") == leave
    assert is_closed(admin, service, doctor, time)

    wait_until(partial(has_state, cancelled, visits[1], doctor, starts_at=starts[1], status="cancelled"))
    wait_until(partial(has_state, moved, visits[2], colleague, starts_at=starts[2], status="booked"))
    assert kept.request("GET", f"/appointments/{visits[0]['id']}") == visits[0]
    assert starts[2] not in free_starts(admin, service, colleague, time)
    assert mail_titles(platform, cancelled, 2) == ["Appointment confirmed", "Appointment cancelled"]
    assert mail_titles(platform, moved, 2) == ["Appointment confirmed", "Appointment moved"]
    assert mail_titles(platform, colleague, 1) == ["New appointment"]
    assert mail_titles(platform, kept, 1) == ["Appointment confirmed"]

    kept.request("POST", f"/appointments/{visits[0]['id']}/cancel")
    assert mail_titles(platform, kept, 2) == ["Appointment confirmed", "Appointment cancelled"]
    assert is_closed(admin, service, doctor, time)
    doctor.request("DELETE", f"{path}/{leave['id']}", status=204)
    assert set(starts) < set(free_starts(admin, service, doctor, time))
    assert has_state(moved, visits[2], colleague, starts_at=starts[2], status="booked")
    assert [len(mail_titles(platform, patient, 2)) for patient in patients] == [2, 2, 2]


def test_a_closure_blocks_its_location_until_it_is_lifted(platform: Platform) -> None:
    admin, location = sign_in_admin(platform), f"Ward {uuid4().hex[:8]}"
    service = create_service_type(admin)
    doctor, other_doctor = create_doctor(admin, service, location=location), create_doctor(admin, service, location="Elsewhere")
    patient = register_patient(platform)
    free = [slot["starts_at"] for slot in list_slots(admin, service, doctor.id)]
    visit, time = book(patient, service, doctor, free[0]), (free[0], free[8])
    before = free_starts(admin, service, doctor, time)

    request = {"from": time[0], "to": time[1], "reason": "Painters", "location": location.upper()}
    doctor.request("POST", "/admin/closures", request, status=403)
    closure = admin.request("POST", "/admin/closures", request, status=201)
    assert ([item["appointment_id"] for item in closure["affected"]], closure["complete"]) == ([visit["id"]], True)
    wait_until(partial(is_closed, admin, service, doctor, time))
    assert free_starts(admin, service, other_doctor, time)
    refused = patient.request(
        "POST", "/appointments", {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": free[4]}, status=422
    )
    assert (refused["code"], [reason["code"] for reason in refused["reasons"]]) == ("not_bookable", ["on_leave"])
    assert closure["id"] in [item["id"] for item in admin.request("GET", "/admin/closures")["items"]]

    admin.request("DELETE", f"/admin/closures/{closure['id']}", status=204)
    wait_until(lambda: free_starts(admin, service, doctor, time) == before)
    assert closure["id"] not in [item["id"] for item in admin.request("GET", "/admin/closures")["items"]]
    assert patient.request("GET", f"/appointments/{visit['id']}") == visit
    assert mail_titles(platform, patient, 1) == ["Appointment confirmed"]
