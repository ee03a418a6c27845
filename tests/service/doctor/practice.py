"""doctor-service with an auth-service that is played: accounts by id, taken addresses, and moments in which it does not answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from shared.contracts.events import AccountChanged, DoctorChanged
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import NOON, RunningService, not_found_response, run_service
from tests.tokens import bearer, service_bearer

ADMIN = bearer(Role.ADMIN)
ADMIN_SERVICE = service_bearer("admin-service")
ADA = {"email": "ada@clinic.example", "full_name": "Ada Weiss", "time_zone": "Europe/Berlin"}
CHECKUP = {"name": "Check-up", "specialty": "General practice", "duration_minutes": 30}


@dataclass
class Auth:
    """`deaf`: it does what is asked, and its answer is lost."""

    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    down: bool = False
    deaf: bool = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        kind, _, account_id = request.url.path.removeprefix("/internal/").partition("/")
        if (request.method, kind) != ("PUT", "accounts"):
            return not_found_response()
        if self.down:
            raise httpx.ConnectError("down", request=request)
        wish = json.loads(request.content)
        if any(other["email"] == wish["email"] for known, other in self.accounts.items() if known != account_id):
            return problem(409, "email_taken")
        if wish.get("password") == "short":
            return problem(422, "password_too_weak")
        self.accounts.setdefault(account_id, wish)
        if self.deaf:
            raise httpx.ReadTimeout("lost", request=request)
        return httpx.Response(201, json={"id": account_id, "version": 1})


def problem(status: int, code: str) -> httpx.Response:
    body = {"status": status, "code": code, "title": code, "detail": code}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


@dataclass
class Practice:
    """A running doctor-service, its auth-service, and the verbs that tests use most."""

    here: RunningService
    auth: Auth

    @property
    def http(self) -> httpx.AsyncClient:
        return self.here.http

    async def offer(self, **changes: Any) -> str:
        return str((await self.http.post("/services", json=CHECKUP | changes, headers=ADMIN)).json()["id"])

    async def engage(self, **changes: Any) -> dict[str, Any]:
        """A doctor with an address of their own."""
        answer = await self.http.post("/doctors", json=ADA | {"email": f"{uuid4()}@clinic.example"} | changes, headers=ADMIN)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def amend(self, doctor_id: str, version: int, headers: dict[str, str] = ADMIN, **changes: Any) -> httpx.Response:
        return await self.http.patch(f"/doctors/{doctor_id}", json=changes, headers=headers | {"If-Match": f'"{version}"'})

    async def open_hours(
        self, doctor_id: str, *weekly: dict[str, Any], version: int = 1, headers: dict[str, str] = ADMIN
    ) -> httpx.Response:
        match = {"If-Match": f'"{version}"'}
        return await self.http.put(f"/doctors/{doctor_id}/schedules", json={"weekly": list(weekly)}, headers=headers | match)

    async def override(
        self, doctor_id: str, date: str, *windows: dict[str, str], version: int, headers: dict[str, str] = ADMIN
    ) -> httpx.Response:
        path = f"/doctors/{doctor_id}/schedules/overrides/{date}"
        return await self.http.put(path, json={"windows": list(windows)}, headers=headers | {"If-Match": f'"{version}"'})

    async def names(self, **filters: Any) -> list[str]:
        answer = await self.http.get("/doctors", params=filters)
        assert answer.status_code == 200, answer.text
        return [item["full_name"] for item in answer.json()["items"]]

    async def account_is(self, doctor_id: str, status: str, version: int, role: Role = Role.DOCTOR) -> None:
        """auth-service says what became of an account."""
        said: Any = {"account_id": doctor_id, "role": role, "status": status, "version": version}
        await self.here.publish_event(AccountChanged(id=new_id(), occurred_at=NOON, **said))

    async def told(self) -> list[DoctorChanged]:
        await self.here.run_until_idle()
        return [event for event in self.here.published if isinstance(event, DoctorChanged)]


@asynccontextmanager
async def practice(folder: Path, **settings: Any) -> AsyncIterator[Practice]:
    auth = Auth()
    async with run_service("doctor_svc", folder, auth, record_events=(DoctorChanged,), **settings) as here:
        yield Practice(here, auth)
