"""A running doctor-service in the test's process, a fake auth-service and calendar, and the calls that tests make."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from shared.contracts.events import AccountChanged, DoctorChanged, Event, ServiceChanged
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import NOON, RunningService, not_found_response, problem_response, run_service
from tests.tokens import bearer, service_bearer

E = TypeVar("E", bound=Event)
ADMIN = bearer(Role.ADMIN)
ADMIN_SERVICE = service_bearer("admin-service")
ADA = {"email": "ada@clinic.example", "full_name": "Ada Weiss", "time_zone": "Europe/Berlin"}
CHECKUP = {"name": "Check-up", "specialty": "General practice", "duration_minutes": 30}


@dataclass
class FakeAuthService:
    """Keeps accounts by id. While `is_down` it does not answer, and for ids in `failing` only 503.

    While `loses_responses` it handles requests and its responses are lost.
    """

    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_down: bool = False
    loses_responses: bool = False
    failing: set[str] = field(default_factory=set)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        resource, _, account_id = request.url.path.removeprefix("/internal/").partition("/")
        if (request.method, resource) != ("PUT", "accounts"):
            return not_found_response()
        if account_id in self.failing:
            return httpx.Response(503)
        if self.is_down:
            raise httpx.ConnectError("down", request=request)
        account = json.loads(request.content)
        if any(other["email"] == account["email"] for other_id, other in self.accounts.items() if other_id != account_id):
            return problem_response(409, "email_taken")
        if account.get("password") == "short":
            return problem_response(422, "password_too_weak")
        stored = self.accounts.setdefault(account_id, account)
        if self.loses_responses:
            raise httpx.ReadTimeout("lost", request=request)
        summary = {"id": account_id, "status": "invited", "version": 1, "created_at": "2026-03-02T12:00:00Z"}
        return httpx.Response(201, json=summary | {name: stored[name] for name in ("email", "full_name", "role")})


@dataclass
class FakeCalendarService:
    """Records which rules it was told to follow, and answers with `outside_hours`. While `is_down` it does not answer."""

    followed: list[tuple[str, int]] = field(default_factory=list)
    outside_hours: list[dict[str, str]] = field(default_factory=list)
    complete: bool = True
    is_down: bool = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_down:
            raise httpx.ConnectError("down", request=request)
        _, _, _, item_id, action = request.url.path.split("/")
        if (request.method, action) == ("PUT", "rules"):
            self.followed.append((item_id, json.loads(request.content)["version"]))
            return httpx.Response(204)
        if (request.method, action) == ("GET", "visits-outside-hours"):
            self.followed.append((item_id, int(request.url.params["version"])))
            return httpx.Response(200, json={"items": self.outside_hours, "complete": self.complete})
        return not_found_response()


@dataclass
class RunningDoctor:
    """A running doctor-service, and the fake auth-service and calendar that it calls."""

    service: RunningService
    auth: FakeAuthService
    calendar: FakeCalendarService

    @property
    def http(self) -> httpx.AsyncClient:
        return self.service.http

    async def create_service(self, **changes: Any) -> str:
        return str((await self.http.post("/services", json=CHECKUP | changes, headers=ADMIN)).json()["id"])

    async def create_doctor(self, **changes: Any) -> dict[str, Any]:
        """Create a doctor with an email address of their own."""
        response = await self.http.post("/doctors", json=ADA | {"email": f"{uuid4()}@clinic.example"} | changes, headers=ADMIN)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def update_doctor(self, doctor_id: str, version: int, headers: dict[str, str] = ADMIN, **changes: Any) -> httpx.Response:
        return await self.http.patch(f"/doctors/{doctor_id}", json=changes, headers=headers | {"If-Match": f'"{version}"'})

    async def put_weekly_hours(
        self, doctor_id: str, *weekly: dict[str, Any], version: int = 1, headers: dict[str, str] = ADMIN
    ) -> httpx.Response:
        if_match = {"If-Match": f'"{version}"'}
        return await self.http.put(f"/doctors/{doctor_id}/schedules", json={"weekly": list(weekly)}, headers=headers | if_match)

    async def put_override(
        self, doctor_id: str, date: str, *windows: dict[str, str], version: int, headers: dict[str, str] = ADMIN
    ) -> httpx.Response:
        path = f"/doctors/{doctor_id}/schedules/overrides/{date}"
        return await self.http.put(path, json={"windows": list(windows)}, headers=headers | {"If-Match": f'"{version}"'})

    async def list_names(self, **filters: Any) -> list[str]:
        response = await self.http.get("/doctors", params=filters)
        assert response.status_code == 200, response.text
        return [item["full_name"] for item in response.json()["items"]]

    async def change_account(self, doctor_id: str, status: str, version: int, role: Role = Role.DOCTOR) -> None:
        """Publish the event with which auth-service announces a change of an account."""
        change: Any = {"account_id": doctor_id, "role": role, "status": status, "version": version}
        await self.service.publish_event(AccountChanged(id=new_id(), occurred_at=NOON, **change))

    async def list_events(self, event_type: type[E]) -> list[E]:
        """Return the events of a type that were published so far."""
        await self.service.run_until_idle()
        return [event for event in self.service.published if isinstance(event, event_type)]


@asynccontextmanager
async def run_doctor_service(folder: Path, **settings: Any) -> AsyncIterator[RunningDoctor]:
    """Run doctor-service on a database in `folder`, or on the one in `database_url`."""
    auth, calendar = FakeAuthService(), FakeCalendarService()

    def respond(request: httpx.Request) -> httpx.Response:
        return (auth if request.url.host == "auth-service" else calendar)(request)

    async with run_service("doctor_svc", folder, respond, record_events=(DoctorChanged, ServiceChanged), **settings) as service:
        yield RunningDoctor(service, auth, calendar)
