"""A patient exports and erases everything; afterwards nothing of the identity is readable in any store or log."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

from fhir.resources.R4B.bundle import Bundle

from tests.platform.accounts import User, book, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Platform, wait_until
from tests.platform.test_calendar import fetch_feed
from tests.platform.test_health_data import stored_bytes

NUMBERS = count(1)


def rare_word(prefix: str) -> str:
    """Return a word that appears nowhere else."""
    return f"{prefix}{next(NUMBERS)}q{uuid4().hex[:8]}"


def find_erasure(admin: User, patient: User) -> dict[str, Any] | None:
    """Return the erasure of a patient once every service has reported in the first pass."""
    return find_erasure_of(admin, patient.id)


def find_erasure_of(admin: User, patient_id: str) -> dict[str, Any] | None:
    """Return the erasure of an id once every service has reported in the first pass."""
    erasures = admin.request("GET", "/admin/erasures")["items"]
    return next((erasure for erasure in erasures if erasure["patient_id"] == patient_id and not erasure["missing"]), None)


def test_after_the_erasure_no_store_and_no_log_has_the_identity(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, name = create_doctor(admin, service), rare_word("Zoe Erased")
    patient = register_patient(platform, name)
    start = list_slots(patient, service, doctor.id)[0]["starts_at"]
    visit = book(patient, service, doctor, start)
    texts = [rare_word(kind) for kind in ("reason", "intake", "phone", "entry")]
    change = {"reason": texts[0], "intake": {"Since when?": texts[1]}}
    patient.request("PATCH", f"/appointments/{visit['id']}", change, if_match=visit["version"])
    patient.request("PATCH", "/patients/me", {"emergency_contact": {"full_name": texts[2], "phone": "+49 30 1234567"}}, if_match=1)
    patient.request("POST", f"/patients/{patient.id}/medical-history", {"kind": "note", "title": texts[3]}, status=201, key="note")
    feed = patient.request("POST", "/calendar/feed", status=201)["url"]
    assert fetch_feed(platform, feed).status_code == 200
    platform.run_until_idle()

    export = patient.request("GET", "/patients/me/export")
    assert (export["complete"], export["appointments"][0]["reason"]) == (True, texts[0])
    assert export["account"]["account"]["email"] == patient.account["email"]
    assert export["medical_history"][0]["title"] == texts[3]
    Bundle.model_validate(patient.request("GET", "/patients/me/export?format=fhir"))
    assert patient.request("DELETE", "/patients/me", status=409)["code"] == "future_appointments"

    patient.request("DELETE", "/patients/me?appointments=cancel", status=202)
    platform.run_until_idle()

    erasure = wait_until(lambda: find_erasure(admin, patient), 60)
    assert {report["service"] for report in erasure["reports"]} == {
        "patient-service",
        "auth-service",
        "scheduling-service",
        "appointment-service",
        "notification-service",
        "admin-service",
    }
    assert fetch_feed(platform, feed).status_code == 404
    seen = admin.request("GET", f"/appointments/{visit['id']}")
    assert (seen["status"], seen["reason"], seen["patient"]["full_name"]) == ("cancelled", None, "(erased)")
    assert any(slot["starts_at"] == start for slot in list_slots(admin, service, doctor.id))
    words = [name, patient.account["email"], *texts[:3]]
    wait_until(lambda: not readable_words(platform, words), 60)
    actions = [line["action"] for line in admin.request("GET", f"/admin/audit?subject={patient.id}")["items"]]
    assert {"patient.export", "patient.erase"} <= set(actions)


def test_a_walk_in_who_was_merged_just_before_is_erased_with_the_target(platform: Platform) -> None:
    """Whether the other services have followed the merge before the erasure or not, nothing of the identity is left under either id."""
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, name, reason = create_doctor(admin, service), rare_word("Kim Walker"), rare_word("reason")
    patient = register_patient(platform, rare_word("Kim Erased"))
    walk_in = admin.request("POST", "/patients", {"full_name": name, "phone": "+49 30 7654321"}, status=201, key="walk-in-to-erase")
    start = list_slots(patient, service, doctor.id)[0]["starts_at"]
    body = {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": start, "patient_id": walk_in["id"], "reason": reason}
    visit = admin.request("POST", "/appointments", body, status=201, key="visit-to-erase")
    admin.request("POST", f"/patients/{walk_in['id']}/merge", {"into": patient.id})

    patient.request("DELETE", "/patients/me?appointments=cancel", status=202)
    platform.run_until_idle()

    for patient_id in (patient.id, walk_in["id"]):
        wait_until(partial(find_erasure_of, admin, patient_id), 60)
        assert admin.request("GET", f"/patients/{patient_id}", status=404)["code"] == "no_such_patient"
    words = [name, patient.account["email"], reason]
    wait_until(lambda: not readable_words(platform, words), 60)
    assert admin.request("GET", f"/appointments/{visit['id']}")["patient"]["full_name"] == "(erased)"


def readable_words(platform: Platform, words: list[str]) -> set[tuple[str, str]]:
    """Return the words that are readable in a store or a log, with the place. Sent mails are not erased."""
    stored = [(place, content) for place, content in stored_bytes(platform) if not place.endswith(".eml")]
    return {(word, place) for word in words for place, content in stored if word.encode() in content}
