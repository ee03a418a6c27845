"""A fake platform for the commands of the client, and how the tests run a command against it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner, Result

from careslot.cli import app
from careslot.client.environment import ClientEnvironment, Terminals
from careslot.client.profiles import PlatformProfile, PlatformProfiles, SessionFile, StoredSession
from shared.kit.clock import MovableClock

URL = "https://clinic.example"
NOON = datetime(2026, 3, 9, 11, 0, tzinfo=UTC)  # a Monday, noon in Berlin
SERVICE_ID, DOCTOR_ID, PATIENT_ID, APPOINTMENT_ID = (f"{number}0000000-0000-4000-8000-000000000000" for number in (1, 2, 3, 4))
DOCTOR = {"id": DOCTOR_ID, "full_name": "Ada Brandt", "title": "Dr.", "location": "Room 3", "time_zone": "Europe/Berlin"}
SERVICE = {"id": SERVICE_ID, "name": "Check-up", "specialty": "General practice", "duration_minutes": 30}
ADMIN_ACCOUNT = {"id": "90000000-0000-4000-8000-000000000000", "email": "admin@clinic.example", "full_name": "Ann Admin", "role": "admin"}
NO_TERMINAL = Terminals(False, False, False)
Handler = Callable[[httpx.Request], httpx.Response] | httpx.Response | Exception


def an_appointment(**changes: Any) -> dict[str, Any]:
    """Return an appointment of today at 14:00 in Berlin, as the API has it."""
    return {
        "id": APPOINTMENT_ID,
        "status": "booked",
        "service": {"id": SERVICE_ID, "name": "Check-up"},
        "doctor": {"id": DOCTOR_ID, "full_name": "Ada Brandt", "location": "Room 3"},
        "patient": {"id": PATIENT_ID, "full_name": "Mina Park"},
        "patient_id": PATIENT_ID,
        "starts_at": "2026-03-09T13:00:00Z",
        "ends_at": "2026-03-09T13:30:00Z",
        "version": 2,
    } | changes


def page(*items: Any, next_cursor: str | None = None) -> httpx.Response:
    """Return a page of a list."""
    return httpx.Response(200, json={"items": list(items), "next": next_cursor})


def problem(status: int, code: str, headers: dict[str, str] | None = None, **facts: Any) -> httpx.Response:
    """Return a problem document."""
    body = {
        "type": f"/problems/{code}",
        "title": code,
        "status": status,
        "detail": f"{code}, said plainly.",
        "code": code,
        "request_id": "r1",
    }
    return httpx.Response(status, json=body | facts, headers={"content-type": "application/problem+json"} | (headers or {}))


@dataclass
class FakePlatform:
    """Answers each request by method and path; several answers are given in their order, the last one again and again."""

    folder: Path
    answers: dict[str, list[Handler]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    clock: MovableClock = field(default_factory=lambda: MovableClock(NOON, running=False))
    variables: dict[str, str] = field(default_factory=dict)
    terminals: Terminals = NO_TERMINAL
    secrets: list[str] = field(default_factory=list)
    interrupt_after_sleeps: int | None = None

    def __post_init__(self) -> None:
        self.answer("GET /doctors", page(DOCTOR))
        self.answer("GET /services", page(SERVICE, {**SERVICE, "id": "1" * 8 + SERVICE_ID[8:], "name": "Skin screening"}))
        self.answer("GET /clinic", httpx.Response(200, json={"name": "Clinic", "time_zone": "Europe/Berlin"}))

    def answer(self, route: str, *handlers: Handler) -> None:
        """Give the answers of `METHOD /path`."""
        self.answers[route] = list(handlers)

    def sign_in(self, **account: Any) -> None:
        """Store a session, as `careslot login` does."""
        session = StoredSession("token-1", "2026-03-09T12:00:00Z", "refresh-1", None, ADMIN_ACCOUNT | account)
        self.session_file.write(session)
        PlatformProfiles(self.folder).save("default", PlatformProfile(URL, "Europe/Berlin", "2026-03-09T11:00:00Z"))

    def forget_zone(self) -> None:
        """Remove the time zone from the profile."""
        PlatformProfiles(self.folder).save("default", PlatformProfile(URL))

    @property
    def session_file(self) -> SessionFile:
        return SessionFile(self.folder, "default", URL)

    def run(self, *arguments: str, stdin: str | bytes | None = None) -> Result:
        """Run a command in this process."""
        return CliRunner().invoke(app, arguments, input=stdin, obj=self.environment(), catch_exceptions=False)

    def environment(self) -> ClientEnvironment:
        """Return the environment of the commands."""
        return ClientEnvironment(
            self.folder,
            self.terminals,
            {"CARESLOT_URL": URL} | self.variables,
            self.clock,
            self._sleep,
            httpx.MockTransport(self._handle),
            lambda _prompt: self.secrets.pop(0),
        )

    def json(self, *arguments: str) -> Any:
        """Run a command that succeeds, and return the JSON that it prints."""
        ran = self.run("--json", *arguments)
        assert ran.exit_code == 0, ran.stderr
        return json.loads(ran.stdout)

    def sent(self, route: str) -> list[httpx.Request]:
        """Return the requests to `METHOD /path`."""
        return [request for request in self.requests if _route_of(request) == route]

    def body(self, route: str) -> Any:
        """Return the JSON body of the last request to `METHOD /path`."""
        return json.loads(self.sent(route)[-1].content)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        handlers = self.answers.get(_route_of(request), [problem(404, "not_found")])
        handler = handlers.pop(0) if len(handlers) > 1 else handlers[0]
        if isinstance(handler, Exception):
            raise handler
        return handler if isinstance(handler, httpx.Response) else handler(request)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.interrupt_after_sleeps is not None and len(self.slept) >= self.interrupt_after_sleeps:
            raise KeyboardInterrupt


def _route_of(request: httpx.Request) -> str:
    return f"{request.method} {request.url.path}"
