"""What became of messages, and sending one again, through the gateway, in each way of running the platform."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

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
    wait_for_mails,
)
from tests.platform.houses import Embedded, Platform, wait_until


def sent_to(staff: User, recipient: User, kind: str) -> list[dict[str, Any]]:
    path = f"/admin/messages?recipient_id={recipient.id}&kind={kind}&status=sent"
    return list(staff.request("GET", path)["items"])


def create_receptionist(admin: User) -> User:
    email = f"r{uuid4().hex[:12]}@clinic.example"
    admin.request("POST", "/admin/users", {"email": email, "role": "reception", "full_name": "Rosa Lind", "password": PASSWORD}, status=201)
    return sign_in(admin.platform, email, PASSWORD)


def test_the_reception_sees_what_became_of_a_message_and_sends_it_again(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    appointment = book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"])
    wait_for_mails(platform, patient.account["email"], 1)
    reception = create_receptionist(admin)
    wait_until(lambda: sent_to(reception, patient, "booked"))
    (message,) = sent_to(reception, patient, "booked")
    assert message["appointment_id"] == appointment["id"]
    path = f"/admin/messages/{message['id']}"
    details = reception.request("GET", path)
    assert [attempt["status"] for attempt in details["attempt_log"]] == ["sent"]
    assert patient.account["email"] not in str(details)

    repetition = reception.request("POST", f"{path}/resend", key=f"again {message['id']}")
    assert (repetition["resent_from"], repetition["resent_by"]) == (message["id"], reception.id)
    assert len(wait_for_mails(platform, patient.account["email"], 2)) == 2
    assert reception.request("POST", f"{path}/resend", key=f"again {message['id']}") == repetition
    assert reception.request("POST", f"{path}/resend", status=409)["code"] in ("resent_just_now", "message_not_finished")
    wait_until(lambda: len(sent_to(reception, patient, "booked")) == 2)

    own = patient.request("GET", "/patients/me/messages")["items"]
    assert {item["id"] for item in own} >= {message["id"], repetition["id"]}
    assert all(item["status"] in ("sent", "unknown", "failed") for item in own)
    patient.request("POST", f"/appointments/{appointment['id']}/cancel")
    wait_until(lambda: sent_to(reception, patient, "cancelled"))
    assert reception.request("POST", f"{path}/resend", status=409)["code"] in ("resent_just_now", "outdated")


@pytest.mark.xdist_group("embedded")
def test_others_do_not_see_the_messages(embedded: Embedded) -> None:
    admin = sign_in_admin(embedded)
    patient, doctor = register_patient(embedded), create_doctor(admin)
    message = f"/admin/messages/{uuid4()}"
    for user in (patient, doctor):
        for method, path in (("GET", "/admin/messages"), ("GET", message), ("POST", f"{message}/resend")):
            assert user.request(method, path, status=403)["code"] == "forbidden"
    assert doctor.request("GET", "/patients/me/messages", status=403)["code"] == "forbidden"
    assert User(embedded).request("GET", "/admin/messages", status=401)["code"] == "unauthenticated"
