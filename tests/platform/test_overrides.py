"""Overbooking, and changing many appointments at once, through the whole platform."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.platform.accounts import (
    User,
    book,
    create_doctor,
    create_receptionist,
    create_service_type,
    list_slots,
    register_patient,
    sign_in_admin,
    wait_for_mails,
)
from tests.platform.houses import Platform, wait_until

REASON = "In acute pain"


def test_staff_overbook_with_a_reason_that_only_staff_see_and_the_time_stays_taken(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin, buffer_after_minutes=15)
    doctor = create_doctor(admin, service)
    mina, noa, third = (register_patient(platform, name) for name in ("Mina Park", "Noa Berg", "Tom Cole"))
    starts_at = list_slots(mina, service, doctor.id)[8]["starts_at"]
    first = book(mina, service, doctor, starts_at)
    override = {"code": "overbook", "reason": REASON}

    refused = noa.request("POST", "/appointments", booking(service, doctor, starts_at, override=override), status=403)
    assert refused["code"] == "override_not_allowed"
    busy = admin.request("POST", "/appointments", booking(service, doctor, starts_at, patient_id=mina.id, override=override), status=409)
    assert busy["code"] == "patient_busy"
    overbooked = book(admin, service, doctor, starts_at, patient_id=noa.id, override=override)
    assert overbooked["overridden"]["code"] == "overbook"
    assert noa.request("GET", f"/appointments/{overbooked['id']}")["overridden"] is None
    assert REASON not in str(noa.request("GET", f"/appointments/{overbooked['id']}/history"))
    assert REASON in str(admin.request("GET", f"/appointments/{overbooked['id']}/history"))

    mina.request("POST", f"/appointments/{first['id']}/cancel")
    taken = third.request("POST", "/appointments", booking(service, doctor, starts_at), status=409)
    assert (taken["code"], starts_at in [slot["starts_at"] for slot in list_slots(third, service, doctor.id)]) == ("slot_taken", False)
    moved = move(admin, overbooked, taken["alternatives"][0]["starts_at"])
    assert moved["overridden"] is None
    book(third, service, doctor, starts_at)

    def lines() -> Any:
        return admin.request("GET", "/admin/audit", action="appointment.overridden", subject=noa.id)["items"]

    (line,) = wait_until(lines)
    assert (line["actor"]["id"] if isinstance(line["actor"], dict) else line["actor"]) == admin.id


def test_a_days_list_goes_to_a_colleague_and_the_patients_get_a_message(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, colleague = create_doctor(admin, service), create_doctor(admin, service)
    desk, patients = create_receptionist(admin), [register_patient(platform, f"Patient {number}") for number in range(3)]
    starts = [slot["starts_at"] for slot in list_slots(desk, service, doctor.id)][0:24:8]
    booked = [book(patient, service, doctor, start) for patient, start in zip(patients, starts, strict=True)]
    book(register_patient(platform), service, colleague, starts[1])
    body: dict[str, Any] = {"ids": [appointment["id"] for appointment in booked], "action": "move", "doctor_id": colleague.id}

    preview = desk.request("POST", "/admin/appointments/bulk", body | {"dry_run": True}, status=200)
    assert [item["status"] for item in preview["items"]] == ["done", "refused", "done"]
    proposal = preview["items"][1]["proposal"]
    assert proposal["doctor_id"] == colleague.id
    real = body | {"moves": [{"id": booked[1]["id"], "starts_at": proposal["starts_at"]}], "reason": "Ill"}
    outcome = finished(desk, desk.request("POST", "/admin/appointments/bulk", real, key=uuid4().hex))
    assert [(item["status"], item["doctor_id"]) for item in outcome["items"]] == [("done", colleague.id)] * 3
    assert [item["starts_at"] for item in outcome["items"]] == [starts[0], proposal["starts_at"], starts[2]]

    message = {"ids": body["ids"], "action": "message", "text": "The lift is out of order."}
    finished(desk, desk.request("POST", "/admin/appointments/bulk", message))
    for patient in patients:
        mails = wait_for_mails(platform, patient.account["email"], 3)
        assert "The lift is out of order." in str(mails)
    cancelled = finished(desk, desk.request("POST", "/admin/appointments/bulk", {"ids": body["ids"], "action": "cancel"}))
    assert [item["status"] for item in cancelled["items"]] == ["done"] * 3
    assert {admin.request("GET", f"/admin/appointments/{item_id}")["status"] for item_id in body["ids"]} == {"cancelled"}


def booking(service: dict[str, Any], doctor: User, starts_at: str, **more: Any) -> dict[str, Any]:
    return {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": starts_at, **more}


def move(admin: User, appointment: dict[str, Any], starts_at: str) -> dict[str, Any]:
    path = f"/admin/appointments/{appointment['id']}"
    version = admin.request("GET", path)["version"]
    moved: dict[str, Any] = admin.request("PUT", path, {"starts_at": starts_at, "reason": "Asked by phone"}, if_match=version)
    return moved


def finished(caller: User, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the outcomes when all appointments have one."""

    def outcomes() -> dict[str, Any] | None:
        change: dict[str, Any] = caller.request("GET", f"/admin/appointments/bulk/{answer['id']}")
        return change if change["finished"] else None

    change: dict[str, Any] = wait_until(outcomes)
    return change
