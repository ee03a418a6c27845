"""A doctor away and a clinic closed, through the gateway: what stands there, what is told to whom, and what reopens."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

from tests.platform.houses import House, eventually
from tests.platform.people import Person, admin_of, booked, doctor_of, mails_to, patient_of, service_of, slots


def free_starts(person: Person, service: dict[str, Any], doctor: Person, time: tuple[str, str]) -> list[str]:
    within: dict[str, Any] = {"from": time[0], "to": time[1]}
    return [slot["starts_at"] for slot in slots(person, service, doctor.id, **within)]


def is_closed(person: Person, service: dict[str, Any], doctor: Person, time: tuple[str, str]) -> bool:
    return free_starts(person, service, doctor, time) == []


def titles(house: House, person: Person, count: int) -> list[str]:
    """What a person's mails are about, as soon as there are `count`; they are no more."""
    return [mail["subject"].split(" - ")[0] for mail in mails_to(house, person.account["email"], count)]


def stands_as(patient: Person, appointment: dict[str, Any], doctor: Person, *, starts_at: str, status: str) -> bool:
    now = patient.ask("GET", f"/appointments/{appointment['id']}")
    return (now["status"], now["starts_at"], now["doctor"]["id"]) == (status, starts_at, doctor.id)


def test_a_leave_keeps_cancels_and_moves_and_tells_each_patient_once(house: House) -> None:
    admin = admin_of(house)
    service = service_of(admin)
    doctor, colleague = doctor_of(admin, service), doctor_of(admin, service)
    kept, cancelled, moved = patients = [patient_of(house, name) for name in ("Mina Park", "Tom Weber", "Lea Sommer")]
    starts = [slot["starts_at"] for slot in slots(admin, service, doctor.id)[:9:4]]
    visits = [booked(patient, service, doctor, start) for patient, start in zip(patients, starts, strict=True)]
    time = (starts[0], visits[-1]["ends_at"])
    for patient in patients:
        mails_to(house, patient.account["email"], 1)

    path, away = f"/doctors/{doctor.id}/leaves", {"starts_at": time[0], "ends_at": time[1]}
    affected = doctor.ask("POST", f"{path}/preview", away)["affected"]
    assert [each["appointment_id"] for each in affected] == [visit["id"] for visit in visits]
    assert affected[0]["proposals"] == [
        {"doctor_id": colleague.id, "starts_at": starts[0]},
        {"doctor_id": doctor.id, "starts_at": time[1]},
    ]
    decisions = [
        {"appointment_id": visit["id"], "action": action} for visit, action in zip(visits, ("keep", "cancel", "move"), strict=True)
    ]
    decisions[2] |= affected[2]["proposals"][0]
    wish = away | {"reason": "Away", "affected": decisions}
    colleague.ask("POST", path, wish, status=403)
    refused = doctor.ask("POST", path, wish | {"affected": decisions[1:]}, status=409)
    assert (refused["code"], len(refused["affected"])) == ("affected_changed", 3)
    leave = doctor.ask("POST", path, wish, status=201, key="once")
    assert doctor.ask("POST", path, wish, status=201, key="once") == leave
    assert is_closed(admin, service, doctor, time)

    eventually(partial(stands_as, cancelled, visits[1], doctor, starts_at=starts[1], status="cancelled"))
    eventually(partial(stands_as, moved, visits[2], colleague, starts_at=starts[2], status="booked"))
    assert kept.ask("GET", f"/appointments/{visits[0]['id']}") == visits[0]
    assert starts[2] not in free_starts(admin, service, colleague, time)
    assert titles(house, cancelled, 2) == ["Appointment confirmed", "Appointment cancelled"]
    assert titles(house, moved, 2) == ["Appointment confirmed", "Appointment moved"]
    assert titles(house, colleague, 1) == ["New appointment"]
    assert titles(house, kept, 1) == ["Appointment confirmed"]

    kept.ask("POST", f"/appointments/{visits[0]['id']}/cancel")
    assert titles(house, kept, 2) == ["Appointment confirmed", "Appointment cancelled"]
    assert is_closed(admin, service, doctor, time)
    doctor.ask("DELETE", f"{path}/{leave['id']}", status=204)
    assert set(starts) < set(free_starts(admin, service, doctor, time))
    assert stands_as(moved, visits[2], colleague, starts_at=starts[2], status="booked")
    assert [len(titles(house, patient, 2)) for patient in patients] == [2, 2, 2]


def test_a_closure_blocks_its_location_until_it_is_lifted(house: House) -> None:
    admin, location = admin_of(house), f"Ward {uuid4().hex[:8]}"
    service = service_of(admin)
    doctor, elsewhere = doctor_of(admin, service, location=location), doctor_of(admin, service, location="Elsewhere")
    patient = patient_of(house)
    free = [slot["starts_at"] for slot in slots(admin, service, doctor.id)]
    visit, time = booked(patient, service, doctor, free[0]), (free[0], free[8])
    before = free_starts(admin, service, doctor, time)

    wish = {"from": time[0], "to": time[1], "reason": "Painters", "location": location.upper()}
    doctor.ask("POST", "/admin/closures", wish, status=403)
    closure = admin.ask("POST", "/admin/closures", wish, status=201)
    assert ([each["appointment_id"] for each in closure["affected"]], closure["complete"]) == ([visit["id"]], True)
    eventually(partial(is_closed, admin, service, doctor, time))
    assert free_starts(admin, service, elsewhere, time)
    refused = patient.ask("POST", "/appointments", {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": free[4]}, status=422)
    assert (refused["code"], [reason["code"] for reason in refused["reasons"]]) == ("not_bookable", ["on_leave"])
    assert closure["id"] in [each["id"] for each in admin.ask("GET", "/admin/closures")["items"]]

    admin.ask("DELETE", f"/admin/closures/{closure['id']}", status=204)
    eventually(lambda: free_starts(admin, service, doctor, time) == before)
    assert closure["id"] not in [each["id"] for each in admin.ask("GET", "/admin/closures")["items"]]
    assert patient.ask("GET", f"/appointments/{visit['id']}") == visit
    assert titles(house, patient, 1) == ["Appointment confirmed"]
