"""auth-service over ASGI, with patient-service played and a word for each thing its callers do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from shared.contracts.events import AccountChanged, AccountInvited, PasswordChanged, PasswordResetRequested, SessionEnded
from shared.contracts.identity import Service
from tests.running import RunningService, not_found_response, run_service

PASSWORD, OTHER = "a long enough pass phrase", "quite another pass phrase"
SAM = {"email": "sam@example.com", "password": PASSWORD, "full_name": "Sam Lee"}
BOSS = {"email": "boss@clinic.example", "password": "the first of the admins"}
EVENTS = (AccountChanged, AccountInvited, PasswordChanged, PasswordResetRequested, SessionEnded)
SECRETS = {f"{service.prefix.lower()}_client_secret": f"{service.prefix}-{'0123456789abcdef' * 2}" for service in Service}
SETTINGS = {**SECRETS, "key_secret": "k" * 40, "bootstrap_admin_email": BOSS["email"], "bootstrap_admin_password": BOSS["password"]}
del SETTINGS["auth_client_secret"]


class Profiles:
    """patient-service, played: `down` it cannot answer now, `refuses` is its answer to every PUT."""

    def __init__(self) -> None:
        self.cards: dict[str, dict[str, Any]] = {}
        self.down = False
        self.refuses: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == Service.PATIENT
        if self.down:
            return httpx.Response(503)
        key = request.url.path.removeprefix("/internal/patients/")
        if request.method == "GET":
            return httpx.Response(200, json=self.cards[key]) if key in self.cards else not_found_response()
        if self.refuses is not None:
            return self.refuses
        profile = json.loads(request.content)
        self.cards.setdefault(key, {"id": key, "time_zone": "UTC", "locale": "en", "version": 1} | profile)
        return httpx.Response(200, json=self.cards[key])


class House:
    """A running auth-service and its neighbour."""

    def __init__(self, here: RunningService, profiles: Profiles) -> None:
        self.here, self.profiles, self.http, self.clock = here, profiles, here.http, here.clock

    async def post(self, path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        return await self.http.post(path, json=body, headers=bearer(token))

    async def register(self, **changes: Any) -> dict[str, Any]:
        answer = await self.post("/auth/register", SAM | changes)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def login(self, email: str = SAM["email"], password: str = PASSWORD) -> httpx.Response:
        return await self.post("/auth/login", {"email": email, "password": password})

    async def signed_in(self, email: str = SAM["email"], password: str = PASSWORD) -> dict[str, Any]:
        answer = await self.login(email, password)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def me(self, token: str) -> httpx.Response:
        return await self.http.get("/auth/me", headers=bearer(token))

    async def grant(self, **form: str) -> httpx.Response:
        return await self.http.post("/auth/token", data=form)

    async def ask(self, service: Service, method: str, path: str, body: Any = None) -> httpx.Response:
        """As a neighbour, by its own credentials."""
        secret = SECRETS[f"{service.prefix.lower()}_client_secret"]
        granted = await self.grant(grant_type="client_credentials", client_id=service, client_secret=secret)
        return await self.http.request(method, path, json=body, headers=bearer(granted.json()["access_token"]))

    async def admin_asks(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.ask(Service.ADMIN, method, path, body)

    async def put(self, account_id: UUID | str | None = None, **changes: Any) -> httpx.Response:
        """Another person, as admin-service puts them."""
        wish = {"email": "rae@clinic.example", "role": "reception", "full_name": "Rae Moss"} | changes
        return await self.admin_asks("PUT", f"/internal/accounts/{account_id or uuid4()}", wish)

    async def amend(self, account_id: str, **changes: Any) -> httpx.Response:
        return await self.admin_asks("PATCH", f"/internal/accounts/{account_id}", changes)

    async def published(self, kind: type[Any]) -> list[Any]:
        """What was announced of a kind."""
        await self.here.run_until_idle()
        return [event for event in self.here.published if isinstance(event, kind)]

    async def link(self, kind: type[Any] = PasswordResetRequested) -> str:
        """The token in the newest mail of that kind."""
        event = (await self.published(kind))[-1]
        answer = await self.ask(Service.NOTIFICATION, "POST", f"/internal/password-resets/{event.reset_id}/token")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@asynccontextmanager
async def opened(folder: Path, profiles: Profiles | None = None, **settings: Any) -> AsyncIterator[House]:
    profiles = profiles or Profiles()
    async with run_service("auth_svc", folder, profiles, record_events=EVENTS, **(SETTINGS | settings)) as here:
        yield House(here, profiles)
