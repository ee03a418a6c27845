"""Those who use the product through its public API, as a mobile app would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx

from tests.platform.houses import ADMIN, House, eventually

PASSWORD = "a long enough pass phrase"
EVERY_DAY = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]


class Person:
    """Someone signed in at a house's gateway."""

    def __init__(self, house: House, account: dict[str, Any] | None = None, token: str | None = None, refresh: str | None = None) -> None:
        self.house, self.account, self.refresh = house, account or {}, refresh
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=house.url, headers=headers, timeout=30)

    def __del__(self) -> None:
        self.http.close()

    @property
    def id(self) -> str:
        return str(self.account["id"])

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int | None = None,
        match: Any = None,
        key: str | None = None,
        **params: Any,
    ) -> Any:
        """The JSON of the answer; `status` is asserted (2xx by default)."""
        headers = ({"If-Match": f'"{match}"'} if match is not None else {}) | ({"Idempotency-Key": key} if key else {})
        answer = self.http.request(method, path, json=body, params=params or None, headers=headers)
        expected = answer.is_success if status is None else answer.status_code == status
        assert expected, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.text


def signed_in(house: House, email: str, password: str) -> Person:
    answer = Person(house).ask("POST", "/auth/login", {"email": email, "password": password})
    return Person(house, answer["account"], answer["access_token"], answer["refresh_token"])


def admin_of(house: House) -> Person:
    return signed_in(house, ADMIN["email"], ADMIN["password"])


def patient_of(house: House, name: str = "Mina Park", time_zone: str = "Europe/Berlin") -> Person:
    """A newly registered patient."""
    person = {"email": f"p{uuid4().hex[:12]}@patients.example", "password": PASSWORD, "full_name": name, "time_zone": time_zone}
    answer = Person(house).ask("POST", "/auth/register", person, status=201)
    return Person(house, answer["account"] | {"email": person["email"]}, answer["access_token"], answer["refresh_token"])


def service_of(admin: Person, **changes: Any) -> dict[str, Any]:
    """A newly offered service: half an hour, bookable at once."""
    body = {
        "name": f"Check-up {uuid4().hex[:6]}",
        "specialty": "General practice",
        "duration_minutes": 30,
        "slot_step_minutes": 15,
    } | changes
    service: dict[str, Any] = admin.ask("POST", "/services", body, status=201)
    return service


def doctor_of(admin: Person, *services: dict[str, Any], weekly: Any = EVERY_DAY, **changes: Any) -> Person:
    """A newly employed doctor with hours, signed in; bookable when this returns."""
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
    made = admin.ask("POST", "/admin/users", body, status=201)
    version = admin.ask("GET", f"/doctors/{made['id']}/schedules")["version"]
    admin.ask("PUT", f"/doctors/{made['id']}/schedules", {"weekly": weekly}, match=version)
    for service in services:
        eventually(partial(_is_listed, admin, service, made["id"], weekly))
    doctor = signed_in(admin.house, body["email"], body["password"])
    doctor.account["email"] = body["email"]
    return doctor


def _is_listed(admin: Person, service: dict[str, Any], doctor_id: str, weekly: Any) -> bool:
    return not weekly or bool(slots(admin, service, doctor_id))


def slots(person: Person, service: dict[str, Any], doctor_id: str, days: int = 3, **params: Any) -> list[dict[str, Any]]:
    """Free slots from tomorrow on."""
    now = datetime.now(UTC)
    start, end = (f"{now + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}" for day in (1, 1 + days))
    params = {"service_id": service["id"], "doctor_id": doctor_id, "from": start, "to": end, "limit": 1000} | params
    return list(Person(person.house).ask("GET", "/slots", **params)["items"])


def booked(patient: Person, service: dict[str, Any], doctor: Person, starts_at: str, **more: Any) -> dict[str, Any]:
    wish = {"service_id": service["id"], "doctor_id": doctor.id, "starts_at": starts_at} | more
    appointment: dict[str, Any] = patient.ask("POST", "/appointments", wish, status=201)
    return appointment


def mails_to(house: House, email: str, count: int) -> list[dict[str, Any]]:
    """The messages to an address, as soon as there are `count`."""

    def enough() -> list[dict[str, Any]] | None:
        found = [mail for mail in house.mails() if email in mail["to"]]
        return found if len(found) >= count else None

    found = eventually(enough)
    assert len(found) == count, [mail["subject"] for mail in found]
    return list(found)
