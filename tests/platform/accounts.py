"""Users with accounts, who call the public API as a mobile app would."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx

from tests.platform.houses import ADMIN, Platform, wait_until

PASSWORD = "a long enough pass phrase"
MAX_REPETITIONS = 10
EVERY_DAY = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]


class User:
    """A client of the public API: signed in with `account` and `token`, or anonymous."""

    def __init__(
        self, platform: Platform, account: dict[str, Any] | None = None, token: str | None = None, refresh: str | None = None
    ) -> None:
        self.platform, self.account, self.refresh = platform, account or {}, refresh
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=platform.url, headers=headers, timeout=30)

    def __del__(self) -> None:
        self.http.close()

    @property
    def id(self) -> str:
        return str(self.account["id"])

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int | None = None,
        if_match: Any = None,
        key: str | None = None,
        **params: Any,
    ) -> Any:
        """Send a request and return the JSON of the response (its text if it is not JSON). Asserts `status`, any 2xx by default.

        A read, and a request with a key, is sent again after a 503, as `Retry-After` asks for: a busy machine may stand still for seconds.
        """
        headers = ({"If-Match": f'"{if_match}"'} if if_match is not None else {}) | ({"Idempotency-Key": key} if key else {})
        send = partial(self.http.request, method, path, json=body, params=params or None, headers=headers)
        response, is_repeatable = send(), method == "GET" or key is not None
        for _ in range(MAX_REPETITIONS):
            if response.status_code != 503 or status == 503 or not is_repeatable:
                break
            time.sleep(int(response.headers["retry-after"]))
            response = send()
        expected = response.is_success if status is None else response.status_code == status
        assert expected, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content and "json" in response.headers["content-type"] else response.text


def unique_name(name: str) -> str:
    """Return a name with letters that no other person has. Digits could be searched for as a phone number."""
    return name + uuid4().hex[:8].translate(str.maketrans("0123456789", "ghijklmnop"))


def sign_in(platform: Platform, email: str, password: str) -> User:
    response = User(platform).request("POST", "/auth/login", {"email": email, "password": password})
    return User(platform, response["account"], response["access_token"], response["refresh_token"])


def sign_in_admin(platform: Platform) -> User:
    return sign_in(platform, ADMIN["email"], ADMIN["password"])


def register_patient(platform: Platform, name: str = "Mina Park", time_zone: str | None = "Europe/Berlin") -> User:
    """Register a new patient, who is then signed in."""
    registration = {"email": f"p{uuid4().hex[:12]}@patients.example", "password": PASSWORD, "full_name": name, "time_zone": time_zone}
    registration = {field: value for field, value in registration.items() if value is not None}
    response = User(platform).request("POST", "/auth/register", registration, status=201)
    return User(platform, response["account"] | {"email": registration["email"]}, response["access_token"], response["refresh_token"])


def create_receptionist(admin: User) -> User:
    """Create a receptionist, and sign in."""
    email = f"r{uuid4().hex[:12]}@desk.example"
    body = {"email": email, "role": "reception", "password": PASSWORD, "full_name": "Rita Front"}
    admin.request("POST", "/admin/users", body, status=201, key=uuid4().hex)
    desk = sign_in(admin.platform, email, PASSWORD)
    desk.account["email"] = email
    return desk


def zone_of_late_morning() -> str:
    """Return a zone in which it is between ten and eleven, so that no midnight falls into the test."""
    west = datetime.now(UTC).hour - 10  # the signs of these zones are those of POSIX: Etc/GMT+5 is five hours behind UTC
    return f"Etc/GMT{west:+d}" if -14 <= west <= 12 else f"Etc/GMT{west - 24:+d}"


def create_service_type(admin: User, **changes: Any) -> dict[str, Any]:
    """Create a service type of 30 minutes that needs no approval."""
    body = {
        "name": f"Check-up {uuid4().hex[:6]}",
        "specialty": "General practice",
        "duration_minutes": 30,
        "slot_step_minutes": 15,
    } | changes
    service: dict[str, Any] = admin.request("POST", "/services", body, status=201, key=uuid4().hex)
    return service


def create_doctor(admin: User, *services: dict[str, Any], weekly: Any = EVERY_DAY, **changes: Any) -> User:
    """Create a doctor who works all day, and sign in. Returns when the doctor can be booked."""
    body = {
        "email": f"d{uuid4().hex[:12]}@doctors.example",
        "role": "doctor",
        "password": PASSWORD,
        "full_name": "Ada Brandt",
        "title": "Dr.",
        "time_zone": "Europe/Berlin",
        "specialties": ["General practice"],
        "services": [service["id"] for service in services],
    } | changes
    created = admin.request("POST", "/admin/users", body, status=201, key=uuid4().hex)
    version = admin.request("GET", f"/doctors/{created['id']}/schedules")["version"]
    admin.request("PUT", f"/doctors/{created['id']}/schedules", {"weekly": weekly}, if_match=version)
    for service in services:
        wait_until(partial(_is_listed, admin, service, created["id"], weekly))
    doctor = sign_in(admin.platform, body["email"], body["password"])
    doctor.account["email"] = body["email"]
    return doctor


def _is_listed(admin: User, service: dict[str, Any], doctor_id: str, weekly: Any) -> bool:
    return not weekly or bool(list_slots(admin, service, doctor_id))


def list_slots(user: User, service: dict[str, Any], doctor_id: str, days: int = 3, **params: Any) -> list[dict[str, Any]]:
    """List the free slots of `days` days, from this time tomorrow."""
    now = datetime.now(UTC)
    start, end = (f"{now + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}" for day in (1, 1 + days))
    params = {"service_id": service["id"], "doctor_id": doctor_id, "from": start, "to": end, "limit": 1000} | params
    return list(User(user.platform).request("GET", "/slots", **params)["items"])


def book(patient: User, service: dict[str, Any], doctor: User, starts_at: str, **more: Any) -> dict[str, Any]:
    booking = {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": starts_at} | more
    appointment: dict[str, Any] = patient.request("POST", "/appointments", booking, status=201, key=uuid4().hex)
    return appointment


def mails_but_reminders(platform: Platform) -> list[dict[str, Any]]:
    """Return the mails sent so far, without reminders: those are sent when the time has come, whatever a test does."""
    return [mail for mail in platform.mails() if not mail["subject"].startswith("Reminder")]


def wait_for_mails(platform: Platform, email: str, count: int) -> list[dict[str, Any]]:
    """Wait until an address has `count` mails beside reminders, and return them. Asserts that it has no more."""

    def arrived() -> list[dict[str, Any]] | None:
        mails = [mail for mail in mails_but_reminders(platform) if email in mail["to"]]
        return mails if len(mails) >= count else None

    mails = wait_until(arrived)
    assert len(mails) == count, [mail["subject"] for mail in mails]
    return list(mails)
