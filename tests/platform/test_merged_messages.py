"""After a merge the target gets the mails about the visits of the merged patient, and reads those that were sent before."""

from __future__ import annotations

from uuid import uuid4

from tests.platform.accounts import create_doctor, create_service_type, list_slots, register_patient, sign_in_admin, wait_for_mails
from tests.platform.houses import Platform, wait_until


def test_mails_about_a_walk_ins_visit_are_the_targets_after_a_merge(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, target, old_address = create_doctor(admin, service), register_patient(platform), f"w{uuid4().hex[:12]}@mail.example"
    walk_in = admin.request("POST", "/patients", {"full_name": "Mina Park", "email": old_address}, status=201)
    start = list_slots(target, service, doctor.id)[0]["starts_at"]
    body = {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": start, "patient_id": walk_in["id"]}
    visit = admin.request("POST", "/appointments", body, status=201)
    wait_for_mails(platform, old_address, 1)
    assert target.request("GET", "/patients/me/messages")["items"] == []

    admin.request("POST", f"/patients/{walk_in['id']}/merge", {"into": target.id})
    platform.run_until_idle()

    def read_kinds() -> list[str]:
        page = target.request("GET", "/patients/me/messages")
        return [item["kind"] for item in page["items"] if item["appointment_id"] == visit["id"]]

    wait_until(lambda: read_kinds() == ["booked"])
    wait_until(lambda: target.request("GET", "/appointments")["items"])
    target.request("POST", f"/appointments/{visit['id']}/cancel", {})
    wait_for_mails(platform, target.account["email"], 1)
    wait_until(lambda: read_kinds() == ["cancelled", "booked"])
    assert len(wait_for_mails(platform, old_address, 1)) == 1
