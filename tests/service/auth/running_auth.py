"""A running auth-service in the test's process, a fake patient-service, and the calls that tests make."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx

from shared.contracts.events import AccountChanged, AccountInvited, Event, PasswordChanged, PasswordResetRequested, SessionEnded
from shared.contracts.identity import Service
from tests.running import RunningService, not_found_response, run_service

E = TypeVar("E", bound=Event)
PASSWORD, OTHER_PASSWORD = "a long enough pass phrase", "quite another pass phrase"
SAM = {"email": "sam@example.com", "password": PASSWORD, "full_name": "Sam Lee"}
FIRST_ADMIN = {"email": "boss@clinic.example", "password": "the first of the admins"}
EVENTS = (AccountChanged, AccountInvited, PasswordChanged, PasswordResetRequested, SessionEnded)
SECRETS = {f"{service.prefix.lower()}_client_secret": f"{service.prefix}-{'0123456789abcdef' * 2}" for service in Service}
SETTINGS = {
    **SECRETS,
    "key_secret": "k" * 40,
    "bootstrap_admin_email": FIRST_ADMIN["email"],
    "bootstrap_admin_password": FIRST_ADMIN["password"],
}
del SETTINGS["auth_client_secret"]


class FakePatientService:
    """Keeps profiles by id, and the bodies of the requests for them.

    While `is_down`, and for ids in `failing`, it answers nothing but 503. `refusal` is its response to every PUT.
    """

    def __init__(self) -> None:
        self.profiles: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.is_down = False
        self.failing: set[str] = set()
        self.refusal: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == Service.PATIENT
        if self.is_down:
            return httpx.Response(503)
        patient_id = request.url.path.removeprefix("/internal/patients/")
        if patient_id in self.failing:
            return httpx.Response(503)
        if request.method == "GET":
            return httpx.Response(200, json=self.profiles[patient_id]) if patient_id in self.profiles else not_found_response()
        if self.refusal is not None:
            return self.refusal
        self.requests.append(json.loads(request.content))
        profile = {"id": patient_id, "time_zone": "UTC", "locale": "en", "version": 1} | self.requests[-1]
        return httpx.Response(200, json=self.profiles.setdefault(patient_id, profile))


class RunningAuth:
    """A running auth-service and the fake patient-service that it calls."""

    def __init__(self, service: RunningService, patients: FakePatientService) -> None:
        self.service, self.patients, self.http, self.clock = service, patients, service.http, service.clock

    async def post(self, path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        return await self.http.post(path, json=body, headers=bearer(token))

    async def register(self, **changes: Any) -> dict[str, Any]:
        response = await self.post("/auth/register", SAM | changes)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def login(self, email: str = SAM["email"], password: str = PASSWORD) -> httpx.Response:
        return await self.post("/auth/login", {"email": email, "password": password})

    async def sign_in(self, email: str = SAM["email"], password: str = PASSWORD) -> dict[str, Any]:
        """Log in, which must succeed; return the tokens and the account."""
        response = await self.login(email, password)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def get_me(self, token: str) -> httpx.Response:
        return await self.http.get("/auth/me", headers=bearer(token))

    async def request_token(self, **form: str) -> httpx.Response:
        return await self.http.post("/auth/token", data=form)

    async def call_as(self, service: Service, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call with the credentials of another service."""
        secret = SECRETS[f"{service.prefix.lower()}_client_secret"]
        granted = await self.request_token(grant_type="client_credentials", client_id=service, client_secret=secret)
        return await self.http.request(method, path, json=body, headers=bearer(granted.json()["access_token"]))

    async def call_as_admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call as admin-service."""
        return await self.call_as(Service.ADMIN, method, path, body)

    async def create_account(self, account_id: UUID | str | None = None, **changes: Any) -> httpx.Response:
        """Create a receptionist's account, as admin-service does."""
        body = {"email": "rae@clinic.example", "role": "reception", "full_name": "Rae Moss"} | changes
        return await self.call_as_admin("PUT", f"/internal/accounts/{account_id or uuid4()}", body)

    async def change_account(self, account_id: str, **changes: Any) -> httpx.Response:
        return await self.call_as_admin("PATCH", f"/internal/accounts/{account_id}", changes)

    async def list_events(self, event_type: type[E]) -> list[E]:
        """Return the events of a type that were published so far."""
        await self.service.run_until_idle()
        return [event for event in self.service.published if isinstance(event, event_type)]

    async def mailed_token(self, event_type: type[AccountInvited | PasswordResetRequested] = PasswordResetRequested) -> str:
        """Return the token of the newest link, as notification-service gets it for the mail."""
        event = (await self.list_events(event_type))[-1]
        response = await self.call_as(Service.NOTIFICATION, "POST", f"/internal/password-resets/{event.reset_id}/token")
        assert response.status_code == 200, response.text
        return str(response.json()["token"])


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def status_and_code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@asynccontextmanager
async def run_auth_service(folder: Path, patients: FakePatientService | None = None, **settings: Any) -> AsyncIterator[RunningAuth]:
    """Run auth-service on a database in `folder`, or on the one in `database_url`."""
    patients = patients or FakePatientService()
    async with run_service("auth_svc", folder, patients, record_events=EVENTS, **(SETTINGS | settings)) as service:
        yield RunningAuth(service, patients)
