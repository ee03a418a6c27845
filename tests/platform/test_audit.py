"""From the read of a profile to the audit trail of admins and the access log of the patient, through the gateway and over the bus."""

from __future__ import annotations

from typing import Any

from tests.platform.accounts import User, book, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Platform, wait_until

Entry = tuple[str, str, str | None, str]


def audit_of(admin: User, patient: User) -> set[Entry]:
    """Return actor, action, relation and outcome of the audit lines about a patient."""
    lines: list[dict[str, Any]] = admin.request("GET", "/admin/audit", subject=patient.id, limit=100)["items"]
    return {(line["actor"], line["action"], line["relation"], line["outcome"]) for line in lines}


def test_reads_and_refused_reads_reach_the_audit_trail_and_the_patient(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, stranger, patient = create_doctor(admin, service), create_doctor(admin, service), register_patient(platform)
    book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"])
    platform.run_until_idle()
    doctor.request("GET", f"/patients/{patient.id}")
    stranger.request("GET", f"/patients/{patient.id}", status=404)
    admin.request("GET", f"/patients/{patient.id}")
    reads = {
        (doctor.id, "profile.read", "treating_doctor", "done"),
        (stranger.id, "profile.read", None, "refused"),
        (admin.id, "profile.read", "admin", "done"),
    }
    own = {(patient.id, action, "self", "done") for action in ("account.create", "account.sign_in", "appointment.booked")}
    wait_until(lambda: audit_of(admin, patient) == reads | own)
    log = patient.request("GET", "/patients/me/access-log")["items"]
    assert {(line["actor"]["id"], line["action"], line["relation"], line["outcome"]) for line in log} == reads
    names = {line["actor"]["id"]: line["actor"]["full_name"] for line in log}
    assert names[admin.id] is None
    assert names[doctor.id] == admin.request("GET", f"/doctors/{doctor.id}")["full_name"]
    ids = {line["id"] for line in admin.request("GET", "/admin/audit", subject=patient.id)["items"]}
    assert {line["id"] for line in log} <= ids, "a line has the same id in both"
