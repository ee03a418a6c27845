"""The demo clinic of `serve --demo`. It is loaded through the public API, once per data folder."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from typing import Any

import httpx

from careslot.embedded_platform import EmbeddedPlatform
from careslot.folder import Folder
from shared.contracts.values import format_instant
from shared.kit.transport import InProcessTransport

WEEKLY_HOURS = [
    {"weekday": day, "start": start, "end": end} for day in range(1, 6) for start, end in (("09:00", "12:00"), ("13:00", "17:00"))
]
SERVICE_TYPES: dict[str, dict[str, Any]] = {
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
DEMO_TIME_ZONE = "Europe/Berlin"
PATIENTS = ["Mina Park", "Tom Weber", "Aisha Khan"]


def _email(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@clinic.example"


class Demo:
    """Loads the demo clinic. An interrupted load continues at the next start; every request may be repeated."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._state = folder.update_document("demo", lambda stored: {"password": secrets.token_urlsafe(12), "done": False} | stored)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the demo: its first admin, and the clinic's time zone if the environment names none."""
        has_zone = any(os.environ.get(name) for name in ("CARESLOT_TIME_ZONE", "CARESLOT_TIME_ZONE_FILE"))
        return self.admin | ({} if has_zone else {"time_zone": DEMO_TIME_ZONE})

    @property
    def admin(self) -> dict[str, str]:
        """The settings that create the first admin: from the environment if it names an admin, otherwise the demo's own admin."""
        email = os.environ.get("CARESLOT_BOOTSTRAP_ADMIN_EMAIL")
        password = os.environ.get("CARESLOT_BOOTSTRAP_ADMIN_PASSWORD")
        if not (email and password):
            email, password = _email("admin"), self._state["password"]
        return {"bootstrap_admin_email": email, "bootstrap_admin_password": password}

    async def load(self, platform: EmbeddedPlatform) -> None:
        """Load what is missing, then print the accounts."""
        transport = InProcessTransport(lambda: platform.gateway_app)
        async with httpx.AsyncClient(transport=transport, base_url="http://demo", timeout=None) as http:
            if not self._state["done"]:
                await self._create_clinic(http, platform)
                self._state = self._folder.update_document("demo", lambda stored: stored | {"done": True})
        for role, email, password in self._accounts():
            print(f"demo {role:8} {email:32} {password}")

    def _accounts(self) -> list[tuple[str, str, str]]:
        """Return role, email and password of every account; a password from the environment is not shown."""
        password, admin_email = self._state["password"], self.admin["bootstrap_admin_email"]
        is_own_admin = "@clinic.example" in admin_email
        admin = ("admin", admin_email, self.admin["bootstrap_admin_password"] if is_own_admin else "(from the environment)")
        doctors = [("doctor", _email(name), password) for name, *_ in DOCTORS]
        return [admin, *doctors, *(("patient", _email(name), password) for name in PATIENTS)]

    async def _create_clinic(self, http: httpx.AsyncClient, platform: EmbeddedPlatform) -> None:
        credentials = {"email": self.admin["bootstrap_admin_email"], "password": self.admin["bootstrap_admin_password"]}
        admin_token = (await _send(http, "POST", "/auth/login", credentials))["access_token"]
        services = {
            specialty: await _send(http, "POST", "/services", {"specialty": specialty, **terms}, admin_token, specialty)
            for specialty, terms in SERVICE_TYPES.items()
        }
        doctor_ids = [await self._create_doctor(http, admin_token, doctor, services[doctor[1]]["id"]) for doctor in DOCTORS]
        await platform.run_until_idle()
        for number, name in enumerate(PATIENTS):
            token = await self._register_patient(http, name)
            await _book_tomorrow(http, token, platform, services["General practice"]["id"], doctor_ids[number % 2])
        await platform.run_until_idle()

    async def _create_doctor(self, http: httpx.AsyncClient, admin_token: str, doctor: tuple[str, str, str, str], service_id: str) -> str:
        name, specialty, time_zone, languages = doctor
        user = {
            "email": _email(name),
            "full_name": name,
            "title": "Dr.",
            "time_zone": time_zone,
            "specialties": [specialty],
            "languages": languages.split(),
            "services": [service_id],
            "location": "Careslot Clinic",
            "role": "doctor",
            "password": self._state["password"],
        }
        created = await _send(http, "POST", "/admin/users", user, admin_token, name)
        schedule = f"/doctors/{created['id']}/schedules"
        if_match = {"If-Match": f'"{(await _send(http, "GET", schedule))["version"]}"'}
        await _send(http, "PUT", schedule, {"weekly": WEEKLY_HOURS}, admin_token, headers=if_match)
        return str(created["id"])

    async def _register_patient(self, http: httpx.AsyncClient, name: str) -> str:
        """Register a patient, or sign in one who is registered already. Returns the access token."""
        credentials = {"email": _email(name), "password": self._state["password"]}
        response = await http.post("/auth/register", json={**credentials, "full_name": name, "time_zone": "Europe/Berlin"})
        if response.status_code == 409:
            return str((await _send(http, "POST", "/auth/login", credentials))["access_token"])
        response.raise_for_status()
        return str(response.json()["access_token"])


async def _book_tomorrow(http: httpx.AsyncClient, token: str, platform: EmbeddedPlatform, service_id: str, doctor_id: str) -> None:
    start = format_instant(platform.clock() + timedelta(days=1))
    slots = await _send(http, "GET", f"/doctors/{doctor_id}/slots?service_id={service_id}&from={start}&limit=1")
    booking = {"service_id": service_id, "doctor_id": doctor_id, "starts_at": slots["items"][0]["starts_at"]}
    await _send(http, "POST", "/appointments", booking, token, "demo")


async def _send(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    body: Any = None,
    token: str | None = None,
    key: str | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> Any:
    """Send a request and return the JSON of the response. Raises RuntimeError when it was refused."""
    all_headers = dict(headers or {})
    if token:
        all_headers["Authorization"] = f"Bearer {token}"
    if key:
        all_headers["Idempotency-Key"] = f"demo {key}"
    response = await http.request(method, path, json=body, headers=all_headers)
    if not response.is_success:
        raise RuntimeError(f"{method} {path}: {response.status_code} {response.text}")
    return response.json()
