"""A small clinic for a first look: loaded through the public API, once per data folder, as any client would."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from typing import Any

import httpx

from careslot.folder import Folder
from careslot.house import House
from shared.contracts.values import format_instant
from shared.kit.transport import InProcessTransport

HOURS = [{"weekday": day, "start": start, "end": end} for day in range(1, 6) for start, end in (("09:00", "12:00"), ("13:00", "17:00"))]
SERVICES: dict[str, dict[str, Any]] = {
    "General practice": {"name": "Check-up", "duration_minutes": 30, "buffer_after_minutes": 5, "slot_step_minutes": 30},
    "Dermatology": {"name": "Skin screening", "duration_minutes": 20, "buffer_after_minutes": 10, "slot_step_minutes": 30},
    "Paediatrics": {"name": "Child wellness visit", "duration_minutes": 45, "slot_step_minutes": 45, "min_notice_minutes": 120},
    "Cardiology": {"name": "Cardiology consultation", "duration_minutes": 60, "requires_approval": True, "cancel_cutoff_minutes": 1440},
}
DOCTORS = [
    ("Ada Brandt", "General practice", "Europe/Berlin", "en de"),
    ("Noor Haddad", "General practice", "Europe/Berlin", "en ar"),
    ("Iris Okafor", "Dermatology", "Europe/London", "en"),
    ("Mateo Silva", "Dermatology", "Europe/Lisbon", "en pt"),
    ("Lena Vogt", "Paediatrics", "Europe/Berlin", "de en"),
    ("Sanjay Rao", "Paediatrics", "Asia/Kolkata", "en hi"),
    ("Grace Miller", "Cardiology", "America/New_York", "en es"),
    ("Jonas Berg", "Cardiology", "Europe/Oslo", "en no"),
]
PATIENTS = ["Mina Park", "Tom Weber", "Aisha Khan"]


def _address(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@clinic.example"


class Demo:
    """Idempotent: every step carries a key or meets what is there; a folder that is done is left alone."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._known = folder.kept("demo", lambda known: {"password": secrets.token_urlsafe(12), "done": False} | known)

    @property
    def admin(self) -> dict[str, str]:
        """The first admin: from the environment if it names one, else this demo's own."""
        given = os.environ.get("CARESLOT_BOOTSTRAP_ADMIN_EMAIL"), os.environ.get("CARESLOT_BOOTSTRAP_ADMIN_PASSWORD")
        email, password = given if all(given) else (_address("admin"), self._known["password"])
        return {"bootstrap_admin_email": str(email), "bootstrap_admin_password": str(password)}

    async def load(self, house: House) -> None:
        """Loads what is missing, then prints the accounts."""
        async with httpx.AsyncClient(transport=InProcessTransport(lambda: house.door), base_url="http://demo", timeout=None) as http:
            if not self._known["done"]:
                await self._fill(http, house)
                self._known = self._folder.kept("demo", lambda known: known | {"done": True})
        for role, email, password in self._accounts():
            print(f"demo {role:8} {email:32} {password}")

    def _accounts(self) -> list[tuple[str, str, str]]:
        own = self._known["password"]
        admin = (
            "admin",
            self.admin["bootstrap_admin_email"],
            self.admin["bootstrap_admin_password"]
            if "@clinic.example" in self.admin["bootstrap_admin_email"]
            else "(from the environment)",
        )
        doctors = [("doctor", _address(name), own) for name, *_ in DOCTORS]
        return [admin, *doctors, *(("patient", _address(name), own) for name in PATIENTS)]

    async def _fill(self, http: httpx.AsyncClient, house: House) -> None:
        credentials = {"email": self.admin["bootstrap_admin_email"], "password": self.admin["bootstrap_admin_password"]}
        admin = (await _sent(http, "POST", "/auth/login", credentials))["access_token"]
        services = {
            specialty: await _sent(http, "POST", "/services", {"specialty": specialty, **terms}, admin, specialty)
            for specialty, terms in SERVICES.items()
        }
        doctors = [await self._doctor(http, admin, doctor, services[doctor[1]]["id"]) for doctor in DOCTORS]
        await house.settle()
        for number, name in enumerate(PATIENTS):
            token = await self._patient(http, name)
            await self._book(http, token, house, services["General practice"]["id"], doctors[number % 2])
        await house.settle()

    async def _doctor(self, http: httpx.AsyncClient, admin: str, doctor: tuple[str, str, str, str], service_id: str) -> str:
        name, specialty, zone, languages = doctor
        profile = {
            "email": _address(name),
            "full_name": name,
            "title": "Dr.",
            "time_zone": zone,
            "specialties": [specialty],
            "languages": languages.split(),
            "services": [service_id],
            "location": "Careslot Clinic",
            "role": "doctor",
            "password": self._known["password"],
        }
        made = await _sent(http, "POST", "/admin/users", profile, admin, name)
        schedule = f"/doctors/{made['id']}/schedules"
        tag = {"If-Match": f'"{(await _sent(http, "GET", schedule))["version"]}"'}
        await _sent(http, "PUT", schedule, {"weekly": HOURS}, admin, headers=tag)
        return str(made["id"])

    async def _patient(self, http: httpx.AsyncClient, name: str) -> str:
        person = {"email": _address(name), "password": self._known["password"], "full_name": name, "time_zone": "Europe/Berlin"}
        answer = await http.post("/auth/register", json=person)
        if answer.status_code == 409:
            return str(
                (await _sent(http, "POST", "/auth/login", {"email": person["email"], "password": person["password"]}))["access_token"]
            )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    async def _book(self, http: httpx.AsyncClient, token: str, house: House, service_id: str, doctor_id: str) -> None:
        start = format_instant(house.clock() + timedelta(days=1))
        slots = await _sent(http, "GET", f"/doctors/{doctor_id}/slots?service_id={service_id}&from={start}&limit=1")
        wish = {"service_id": service_id, "doctor_id": doctor_id, "starts_at": slots["items"][0]["starts_at"]}
        await _sent(http, "POST", "/appointments", wish, token, "demo")


async def _sent(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    body: Any = None,
    token: str | None = None,
    key: str | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> Any:
    given = {"Authorization": f"Bearer {token}"} if token else {}
    given |= ({"Idempotency-Key": f"demo {key}"} if key else {}) | (headers or {})
    answer = await http.request(method, path, json=body, headers=given)
    if not answer.is_success:
        raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json()
