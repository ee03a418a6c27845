"""An API client from its registration to its end, through the gateway, in each way of running the platform."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx

from tests.platform.accounts import User, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Platform, wait_until

SCOPES = ["appointments:read", "appointments:write", "messages:read", "webhooks:manage"]


def request_token(platform: Platform, client: dict[str, Any], **form: str) -> httpx.Response:
    credentials = httpx.BasicAuth(client["id"], client["secret"])
    return httpx.post(f"{platform.url}/auth/token", data={"grant_type": "client_credentials"} | form, auth=credentials, timeout=30)


def sign_in_client(platform: Platform, client: dict[str, Any], **form: str) -> User:
    return User(platform, {"id": client["id"]}, request_token(platform, client, **form).json()["access_token"])


def is_refused(user: User, path: str) -> bool:
    return user.http.get(path).status_code == 401


def test_a_client_books_and_reads_what_its_scopes_say_until_it_is_deleted(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    registered = admin.request("POST", "/auth/clients", {"name": "Script", "scopes": SCOPES}, status=201)
    client = sign_in_client(platform, registered)

    start = list_slots(patient, service, doctor.id)[0]["starts_at"]
    booking = {"service_id": service["id"], "doctor_id": doctor.id, "patient_id": patient.id, "starts_at": start}
    appointment = client.request("POST", "/appointments", booking, status=201)
    assert patient.request("GET", f"/appointments/{appointment['id']}")["status"] == "booked"
    history = client.request("GET", f"/appointments/{appointment['id']}/history")["items"]
    assert history[-1]["actor"] == {"id": registered["id"], "role": "client"}
    platform.run_until_idle()
    messages = wait_until(lambda: client.request("GET", "/admin/messages", appointment_id=appointment["id"])["items"])
    assert {message["kind"] for message in messages} >= {"booked"}
    client.request("GET", "/webhooks")
    for method, path in (("GET", "/admin/users"), ("GET", "/auth/me"), ("GET", "/auth/clients"), ("GET", f"/patients/{patient.id}")):
        assert client.request(method, path, status=403)["code"] == "forbidden"

    reader = sign_in_client(platform, registered, scope="messages:read")
    reader.request("GET", "/admin/dead-letters")
    assert reader.request("GET", "/appointments", status=403)["code"] == "insufficient_scope"

    admin.request("DELETE", f"/auth/clients/{registered['id']}", status=204)
    for path in ("/appointments", "/admin/messages", "/auth/me", "/patients/me", "/services"):
        wait_until(partial(is_refused, client, path), seconds=5)
    assert request_token(platform, registered).status_code == 401
