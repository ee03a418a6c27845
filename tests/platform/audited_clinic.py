"""A clinic in which everything that is legal has happened once, made through the public API. The auditor must find nothing wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from tests.platform.accounts import (
    PASSWORD,
    User,
    book,
    create_doctor,
    create_service_type,
    list_slots,
    register_patient,
    sign_in,
    sign_in_admin,
)
from tests.platform.houses import Distributed, Embedded, Platform, wait_until


def zone_at_noon() -> str:
    """Return a zone in which it is about noon, so that visits of the next hours are on this local day."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


class AuditedClinic:
    """A clinic on a running platform. Every visit has a start of its own."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.admin = platform, sign_in_admin(platform)
        self.service = create_service_type(self.admin, buffer_after_minutes=10, slot_step_minutes=60)
        self.on_approval = create_service_type(self.admin, requires_approval=True, slot_step_minutes=60)
        self.group = create_service_type(self.admin, capacity=3, slot_step_minutes=60)
        services = self.service, self.on_approval, self.group
        self.doctor, self.colleague = (create_doctor(self.admin, *services, time_zone=zone_at_noon()) for _ in range(2))
        self.patient = register_patient(platform)
        self._starts: list[str] = [slot["starts_at"] for slot in list_slots(self.admin, self.service, self.doctor.id, days=5)]

    def next_start(self) -> str:
        """Return a start that no other visit has."""
        return self._starts.pop(0)

    def book(self, patient: User | None = None, service: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """Book the next start."""
        return book(patient or self.patient, service or self.service, self.doctor, self.next_start(), **more)

    def act(self, visit: dict[str, Any], action: str, by: User | None = None, **body: Any) -> dict[str, Any]:
        """Send one action of an appointment."""
        changed: dict[str, Any] = (by or self.admin).request("POST", f"/appointments/{visit['id']}/{action}", body)
        return changed

    def book_today(self) -> dict[str, Any]:
        """Book a visit of the next hours."""
        now = datetime.now(UTC)
        within: dict[str, Any] = {"from": f"{now:%Y-%m-%dT%H:%M:%SZ}", "to": f"{now + timedelta(hours=8):%Y-%m-%dT%H:%M:%SZ}"}
        return book(self.patient, self.service, self.doctor, list_slots(self.admin, self.service, self.doctor.id, **within)[0]["starts_at"])

    def wait_until_quiet(self) -> None:
        """Wait until all background work is done, as far as the platform can tell."""
        self.platform.run_until_idle()


def _is_of(clinic: AuditedClinic, visit: dict[str, Any], patient: User) -> bool:
    clinic.wait_until_quiet()
    return bool(clinic.admin.request("GET", f"/appointments/{visit['id']}")["patient_id"] == patient.id)


def have_a_requested_visit(clinic: AuditedClinic) -> None:
    clinic.book(service=clinic.on_approval)


def have_an_approved_visit(clinic: AuditedClinic) -> None:
    clinic.act(clinic.book(service=clinic.on_approval), "approve")


def have_a_declined_visit(clinic: AuditedClinic) -> None:
    clinic.act(clinic.book(service=clinic.on_approval), "decline")


def have_a_moved_request(clinic: AuditedClinic) -> None:
    visit = clinic.act(clinic.book(service=clinic.on_approval), "approve")
    clinic.act(visit, "reschedule", clinic.patient, starts_at=clinic.next_start())


def have_a_visit_moved_twice(clinic: AuditedClinic) -> None:
    visit = clinic.book()
    for _ in range(2):
        clinic.act(visit, "reschedule", starts_at=clinic.next_start())


def have_a_reassigned_visit(clinic: AuditedClinic) -> None:
    clinic.act(clinic.book(), "reassign", doctor_id=clinic.colleague.id)


def have_a_visit_cancelled_twice(clinic: AuditedClinic) -> None:
    visit = clinic.book()
    for _ in range(2):
        clinic.act(visit, "cancel")


def have_a_restored_visit(clinic: AuditedClinic) -> None:
    visit = clinic.book()
    clinic.act(visit, "cancel")
    clinic.act(visit, "restore")


def have_a_refused_booking(clinic: AuditedClinic) -> None:
    visit = clinic.book()
    booking = {"service_id": clinic.service["id"], "doctor_id": clinic.doctor.id, "starts_at": visit["starts_at"]}
    register_patient(clinic.platform).request("POST", "/appointments", booking, status=409)


def have_a_refused_move(clinic: AuditedClinic) -> None:
    taken, visit = clinic.book(), clinic.book(register_patient(clinic.platform))
    clinic.admin.request("POST", f"/appointments/{visit['id']}/reschedule", {"starts_at": taken["starts_at"]}, status=409)


def have_an_amended_visit(clinic: AuditedClinic) -> None:
    visit = clinic.book(reason="A cough")
    clinic.patient.request("PATCH", f"/appointments/{visit['id']}", {"reason": None}, if_match=visit["version"])


def have_visits_that_begin_and_end(clinic: AuditedClinic) -> None:
    for actions in (("check-in",), ("check-in", "restore"), ("check-in", "start", "complete")):
        visit = clinic.book_today()
        for action in actions:
            clinic.act(visit, action)


def have_a_group(clinic: AuditedClinic) -> None:
    start, first = clinic.next_start(), register_patient(clinic.platform)
    visits = [book(patient, clinic.group, clinic.doctor, start) for patient in (first, clinic.patient)]
    clinic.act(visits[0], "cancel")
    empty = book(first, clinic.group, clinic.doctor, clinic.next_start())
    clinic.act(empty, "cancel")


def have_holds(clinic: AuditedClinic) -> None:
    first, second = register_patient(clinic.platform), register_patient(clinic.platform)
    for patient, service in ((first, clinic.service), (second, clinic.group)):
        hold = {"service_id": service["id"], "doctor_id": clinic.doctor.id, "starts_at": clinic.next_start()}
        patient.request("POST", "/holds", hold, status=201)
    dropped = {"service_id": clinic.on_approval["id"], "doctor_id": clinic.doctor.id, "starts_at": clinic.next_start()}
    first.request("DELETE", f"/holds/{first.request('POST', '/holds', dropped, status=201)['id']}")


def have_a_dependants_visit(clinic: AuditedClinic) -> None:
    guardian = register_patient(clinic.platform)
    child = guardian.request("POST", "/patients/me/dependants", {"full_name": "Lea Park", "born_on": "2020-02-02"}, status=201)
    clinic.book(guardian, patient_id=child["id"])


def have_a_leave(clinic: AuditedClinic) -> None:
    patients = [register_patient(clinic.platform) for _ in range(3)]
    kept, cancelled, moved = (clinic.book(patient) for patient in patients)
    time = {"starts_at": kept["starts_at"], "ends_at": moved["ends_at"]}
    path = f"/doctors/{clinic.doctor.id}/leaves"
    actions = {kept["id"]: "keep", cancelled["id"]: "cancel", moved["id"]: "move"}
    affected = clinic.doctor.request("POST", f"{path}/preview", time)["affected"]
    decisions = [_decision(item, actions[item["appointment_id"]], clinic) for item in affected]
    leave = clinic.doctor.request("POST", path, time | {"reason": "Ill", "affected": decisions}, status=201)
    wait_until(partial(_has_status, clinic, cancelled, "cancelled"))
    clinic.act(kept, "cancel")
    clinic.doctor.request("DELETE", f"{path}/{leave['id']}")


def _decision(item: dict[str, Any], action: str, clinic: AuditedClinic) -> dict[str, Any]:
    moved = {"doctor_id": clinic.doctor.id, "starts_at": clinic.next_start()} if action == "move" else {}
    return {"appointment_id": item["appointment_id"], "action": action, **moved}


def _has_status(clinic: AuditedClinic, visit: dict[str, Any], status: str) -> bool:
    clinic.wait_until_quiet()
    return bool(clinic.admin.request("GET", f"/appointments/{visit['id']}")["status"] == status)


def have_a_closure(clinic: AuditedClinic) -> None:
    start = datetime.fromisoformat(clinic.book()["starts_at"])
    body = {"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat(), "reason": "Roof"}
    clinic.admin.request("POST", "/admin/closures", body, status=201)


def _override(code: str) -> dict[str, str]:
    return {"code": code, "reason": "In acute pain"}


def have_overbooked_visits(clinic: AuditedClinic) -> None:
    """Three visits share a time, two of them by overbooking; then the ordinary one is cancelled and one of the others moved."""
    ordinary, others = clinic.book(), [register_patient(clinic.platform) for _ in range(2)]
    where = clinic.admin, clinic.service, clinic.doctor, ordinary["starts_at"]
    overbooked = [book(*where, patient_id=patient.id, override=_override("overbook")) for patient in others]
    clinic.act(ordinary, "cancel")
    clinic.act(overbooked[0], "reschedule", starts_at=clinic.next_start())


def have_a_visit_outside_of_the_hours(clinic: AuditedClinic) -> None:
    doctor = create_doctor(clinic.admin, clinic.service, weekly=[])
    known = partial(_can_be_booked_off_hours, clinic, doctor, clinic.next_start())
    wait_until(known)


def _can_be_booked_off_hours(clinic: AuditedClinic, doctor: User, starts_at: str) -> bool:
    """Try to book, until the calendar knows the doctor."""
    clinic.wait_until_quiet()
    body = {"service_id": clinic.service["id"], "doctor_id": doctor.id, "starts_at": starts_at, "patient_id": clinic.patient.id}
    answer = clinic.admin.http.post("/appointments", json=body | {"override": _override("off_hours")})
    return answer.is_success


def have_a_visit_during_a_leave(clinic: AuditedClinic) -> None:
    start = clinic.next_start()
    ends_at = (datetime.fromisoformat(start) + timedelta(minutes=30)).isoformat()
    leave = {"starts_at": start, "ends_at": ends_at, "reason": "Course", "affected": []}
    clinic.doctor.request("POST", f"/doctors/{clinic.doctor.id}/leaves", leave, status=201)
    book(clinic.admin, clinic.service, clinic.doctor, start, patient_id=clinic.patient.id, override=_override("on_leave"))


def have_many_visits_moved_and_cancelled_at_once(clinic: AuditedClinic) -> None:
    ids = [clinic.book(register_patient(clinic.platform))["id"] for _ in range(2)]
    for change in ({"action": "move", "doctor_id": clinic.colleague.id}, {"action": "cancel", "reason": "The doctor is ill"}):
        bulk = clinic.admin.request("POST", "/admin/appointments/bulk", {"ids": ids, **change})
        wait_until(partial(_is_finished, clinic, bulk["id"]))


def _is_finished(clinic: AuditedClinic, bulk_id: str) -> bool:
    clinic.wait_until_quiet()
    return bool(clinic.admin.request("GET", f"/admin/appointments/bulk/{bulk_id}")["finished"])


def have_other_settings_of_the_clinic(clinic: AuditedClinic) -> None:
    """The clinic reminds at another time, so that the reminders of all visits ahead are planned again."""
    settings = clinic.admin.request("GET", "/admin/settings")
    clinic.admin.request("PUT", "/admin/settings", {"reminder_offsets_minutes": [180, 30]}, if_match=settings["version"])
    clinic.book()


def have_a_merged_patient(clinic: AuditedClinic) -> None:
    walk_in = clinic.admin.request("POST", "/patients", {"full_name": "Kim Walker"}, status=201)
    visit = clinic.book(clinic.admin, patient_id=walk_in["id"])
    target = register_patient(clinic.platform, "Kim Walker")
    clinic.admin.request("POST", f"/patients/{walk_in['id']}/merge", {"into": target.id})
    wait_until(partial(_is_of, clinic, visit, target))


def have_an_erased_patient(clinic: AuditedClinic) -> None:
    patient = register_patient(clinic.platform)
    clinic.book(patient)
    clinic.act(clinic.book(patient), "cancel")
    patient.request("DELETE", "/patients/me", appointments="cancel")


def have_users_of_all_kinds(clinic: AuditedClinic) -> None:
    for role in ("doctor", "reception", "admin", "patient"):
        body = {"email": f"u{uuid4().hex[:12]}@staff.example", "role": role, "full_name": "Noa Berg", "time_zone": "Europe/Berlin"}
        if role == "doctor":
            body |= {"specialties": ["General practice"], "services": [clinic.service["id"]]}  # type: ignore[dict-item]
        invited = clinic.admin.request("POST", "/admin/users", body, status=201)
        clinic.admin.request("DELETE", f"/admin/users/{invited['id']}")
        clinic.admin.request(
            "POST", "/admin/users", body | {"email": f"u{uuid4().hex[:12]}@staff.example", "password": PASSWORD}, status=201
        )


def have_a_doctor_who_became_a_patient_and_was_erased(clinic: AuditedClinic) -> None:
    doctor = create_doctor(clinic.admin, clinic.service)
    user = clinic.admin.request("GET", f"/admin/users/{doctor.id}")
    clinic.admin.request("PATCH", f"/admin/users/{doctor.id}", {"role": "patient"}, if_match=user["version"])
    patient = wait_until(partial(_signed_in_patient, clinic, doctor.account["email"]))
    clinic.book(patient)
    patient.request("DELETE", "/patients/me", appointments="cancel")


def _signed_in_patient(clinic: AuditedClinic, email: str) -> User | None:
    clinic.wait_until_quiet()
    user = sign_in(clinic.platform, email, PASSWORD)
    return user if user.http.get("/patients/me").is_success else None


def have_a_message_sent_again(clinic: AuditedClinic) -> None:
    visit = clinic.book()
    message = wait_until(partial(_sent_message, clinic, visit))
    clinic.admin.request("POST", f"/admin/messages/{message['id']}/resend", {})


def _sent_message(clinic: AuditedClinic, visit: dict[str, Any]) -> dict[str, Any] | None:
    clinic.wait_until_quiet()
    listed = clinic.admin.request("GET", f"/admin/messages?status=sent&appointment_id={visit['id']}")["items"]
    return listed[0] if listed else None


def have_a_confirmed_and_a_moved_doctor(clinic: AuditedClinic) -> None:
    clinic.book(register_patient(clinic.platform))
    doctor = clinic.admin.request("GET", f"/doctors/{clinic.doctor.id}")
    clinic.admin.request("PATCH", f"/doctors/{clinic.doctor.id}", {"location": "Second floor"}, if_match=doctor["version"])


LEGAL_STATES: dict[str, Callable[[AuditedClinic], None]] = {
    "requested": have_a_requested_visit,
    "approved": have_an_approved_visit,
    "declined": have_a_declined_visit,
    "requested again by a move": have_a_moved_request,
    "moved twice": have_a_visit_moved_twice,
    "with another doctor": have_a_reassigned_visit,
    "cancelled twice": have_a_visit_cancelled_twice,
    "restored": have_a_restored_visit,
    "booking refused": have_a_refused_booking,
    "move refused": have_a_refused_move,
    "amended": have_an_amended_visit,
    "begun, undone and completed": have_visits_that_begin_and_end,
    "group with an empty seat": have_a_group,
    "held, and a hold dropped": have_holds,
    "of a dependant": have_a_dependants_visit,
    "under a leave that was deleted": have_a_leave,
    "under a closure": have_a_closure,
    "overbooked, and the ordinary one cancelled": have_overbooked_visits,
    "outside of the hours": have_a_visit_outside_of_the_hours,
    "during a leave": have_a_visit_during_a_leave,
    "moved and cancelled at once": have_many_visits_moved_and_cancelled_at_once,
    "reminded by other settings of the clinic": have_other_settings_of_the_clinic,
    "of a merged patient": have_a_merged_patient,
    "of an erased patient": have_an_erased_patient,
    "users of all roles": have_users_of_all_kinds,
    "former doctor who was erased": have_a_doctor_who_became_a_patient_and_was_erased,
    "message sent again": have_a_message_sent_again,
    "doctor with a new place": have_a_confirmed_and_a_moved_doctor,
}
"""Every state that looks unusual and is none. What the product adds to this list, the auditor must know."""


def let_time_pass(platform: Embedded, days: int) -> None:
    """Move the clock, so that visits are over, holds expire, and old claims are archived."""
    admin = sign_in_admin(platform)
    now = datetime.fromisoformat(admin.request("GET", "/dev/clock")["now"])
    admin.request("PUT", "/dev/clock", {"now": (now + timedelta(days=days)).isoformat()})
    platform.run_until_idle()


def run_verify(platform: Platform, patience_seconds: int) -> tuple[int, dict[str, Any]]:
    """Run the command as a user does, and return its exit code and its document."""
    arguments = [sys.executable, "-m", "careslot", "verify", "--json", "--patience", str(patience_seconds)]
    environment = os.environ | (platform.environment if isinstance(platform, Distributed) else {})
    arguments += ["--data", str(platform.data)] if isinstance(platform, Embedded) else []
    ran = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout)
