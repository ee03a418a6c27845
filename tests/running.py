"""Runs one real service over ASGI on SQLite, with the embedded bus; an `httpx.MockTransport` replaces the other services."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from careslot.services import PACKAGES, settings_of
from shared.contracts.events import Event
from shared.contracts.identity import Service
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.clock import MovableClock
from shared.kit.jobs import BackgroundWork
from shared.kit.migrations import migrate
from shared.kit.overrides import Overrides
from shared.kit.transport import InProcessTransport
from tests.tokens import ISSUER, jwks

Handler = Callable[[httpx.Request], httpx.Response]
RECORD_KEYS = "test:" + base64.b64encode(bytes(range(32))).decode()
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


@dataclass
class RunningService:
    """A running service and a client of it, `http`. `published` are the published events of the types in `record_events`."""

    app: FastAPI
    http: httpx.AsyncClient
    clock: MovableClock
    bus: EmbeddedBus
    background_work: BackgroundWork
    published: list[Event] = field(default_factory=list)

    async def run_until_idle(self) -> None:
        """Run all due jobs and deliver all events until nothing is left to do."""
        await self.background_work.run_until_idle()

    async def advance(self, time: timedelta, steps: int = 1) -> None:
        """Move the clock in steps, and let the jobs run after each."""
        for _ in range(steps):
            self.clock.advance(time / steps)
            await self.run_until_idle()

    async def publish_event(self, event: Event) -> None:
        """Publish an event as another service would, and wait until it has been handled."""
        await self.bus.publish(event.topic, str(event.id), json.dumps(event.to_cloudevent("test")).encode())
        await self.run_until_idle()


def upstream_handler(
    upstream: Handler | None = None, ended_sessions: Handler | None = None, clinic_settings: Handler | None = None
) -> Handler:
    """Return a handler that answers requests for keys and tokens as auth-service does, and passes all other requests to `upstream`.

    Without `upstream` they are answered with a 404 problem document. `ended_sessions` answers requests for the list of ended sessions;
    without it the list is empty. `clinic_settings` answers requests for the clinic's settings; without it nothing is set.
    """

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/.well-known/jwks.json":
            return httpx.Response(200, json=jwks())
        if request.url.path == "/auth/token":
            return httpx.Response(200, json={"access_token": "service-token", "expires_in": 600, "token_type": "Bearer"})
        if request.url.path == "/internal/ended-sessions":
            return ended_sessions(request) if ended_sessions else httpx.Response(200, json={"items": []})
        if request.url.path == "/internal/settings":
            return clinic_settings(request) if clinic_settings else httpx.Response(200, json={"version": 1})
        return upstream(request) if upstream else not_found_response()

    return handle


def clinic_settings(**values: Any) -> Handler:
    """Return a handler that answers requests for the clinic's settings as admin-service does when an admin has set these."""
    return lambda _request: httpx.Response(200, json={"version": 2, **values})


def problem_response(status: int, code: str, **facts: Any) -> httpx.Response:
    """Return a problem document (RFC 9457), as another service refuses a request."""
    body = {"status": status, "code": code, "title": code, "detail": code, **facts}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def not_found_response() -> httpx.Response:
    """Return the response of another service for an unknown id."""
    return problem_response(404, "not_found")


@asynccontextmanager
async def run_service(
    package: str,
    folder: Path,
    upstream: Handler | None = None,
    *,
    now: datetime = NOON,
    record_events: tuple[type[Event], ...] = (),
    migrated: bool = True,
    mailbox: Any = None,
    ended_sessions: Handler | None = None,
    clinic_settings: Handler | None = None,
    **settings: Any,
) -> AsyncIterator[RunningService]:
    """Run the service of a package (`doctor_svc`) with a new database in `folder` and a clock that stands still at `now`."""
    main = importlib.import_module(f"{package}.main")
    name = next(service for service, service_package in PACKAGES.items() if service_package == package)
    url = settings.pop("database_url", f"sqlite+aiosqlite:///{folder / package}.db")
    if migrated:
        migrate(package, url)
    clock, background_work = MovableClock(now, running=False), BackgroundWork()
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(EmbeddedBus(str(folder / "bus.db"), clock))
        background_work.add(bus.deliver_due)
        transport = httpx.MockTransport(upstream_handler(upstream, ended_sessions, clinic_settings))
        overrides = Overrides(bus=bus, transport=lambda _service: transport, clock=clock, background_work=background_work, mailbox=mailbox)
        values = {"database_url": url, "client_secret": "x" * 40, "env": "test", "issuer": ISSUER, "record_keys": RECORD_KEYS} | settings
        app = main.create_app(settings_of(name)(**values), overrides=overrides)
        http = httpx.AsyncClient(transport=InProcessTransport(lambda: app), base_url="http://test")
        service = RunningService(app, http, clock, bus, background_work)

        async def record(event: Event) -> None:
            service.published.append(event)

        if record_events:
            await bus.subscribe("test", dict.fromkeys(record_events, record))
        await stack.enter_async_context(app.router.lifespan_context(app))
        await stack.enter_async_context(http)
        yield service


__all__ = [
    "NOON",
    "RunningService",
    "Service",
    "clinic_settings",
    "not_found_response",
    "problem_response",
    "run_service",
    "upstream_handler",
]
