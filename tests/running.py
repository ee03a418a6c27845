"""One real service over ASGI on SQLite, its neighbours played by `httpx.MockTransport`, its bus embedded."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
from tests.tokens import jwks

Handler = Callable[[httpx.Request], httpx.Response]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


@dataclass
class Running:
    """A service that runs: `http` calls it, `settle()` lets its jobs and the bus come to rest, `heard` are the events it announced."""

    app: FastAPI
    http: httpx.AsyncClient
    clock: MovableClock
    bus: EmbeddedBus
    background_work: BackgroundWork
    heard: list[Event] = field(default_factory=list)

    async def settle(self) -> None:
        await self.background_work.run_until_idle()

    async def tell(self, event: Event) -> None:
        """Something happened elsewhere."""
        import json

        await self.bus.publish(event.topic, str(event.id), json.dumps(event.to_cloudevent("test")).encode())
        await self.settle()


def neighbours(answer: Handler | None = None) -> Handler:
    """auth-service's keys and tokens, then `answer` for the rest (404 problem by default)."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/.well-known/jwks.json":
            return httpx.Response(200, json=jwks())
        if request.url.path == "/auth/token":
            return httpx.Response(200, json={"access_token": "service-token", "expires_in": 600, "token_type": "Bearer"})
        if request.url.path == "/internal/ended-sessions":
            return httpx.Response(200, json={"items": []})
        return answer(request) if answer else not_found()

    return handle


def not_found() -> httpx.Response:
    body = {"status": 404, "code": "not_found", "title": "Not found", "detail": "nothing here"}
    return httpx.Response(404, json=body, headers={"content-type": "application/problem+json"})


@asynccontextmanager
async def running(
    package: str,
    folder: Path,
    answer: Handler | None = None,
    *,
    now: datetime = NOON,
    hears: tuple[type[Event], ...] = (),
    migrated: bool = True,
    mailbox: Any = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """The service of a package (`doctor_svc`) with a fresh database in `folder`, at a clock that stands at `now`."""
    main = importlib.import_module(f"{package}.main")
    service = next(service for service, name in PACKAGES.items() if name == package)
    url = settings.pop("database_url", f"sqlite+aiosqlite:///{folder / package}.db")
    if migrated:
        migrate(package, url)
    clock, background_work = MovableClock(now, running=False), BackgroundWork()
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(EmbeddedBus(str(folder / "bus.db"), clock))
        background_work.add(bus.deliver_due)
        transport = httpx.MockTransport(neighbours(answer))
        overrides = Overrides(bus=bus, transport=lambda _service: transport, clock=clock, background_work=background_work, mailbox=mailbox)
        app = main.create_app(settings_of(service)(database_url=url, client_secret="x" * 40, env="test", **settings), overrides=overrides)
        http = httpx.AsyncClient(transport=InProcessTransport(lambda: app), base_url="http://test")
        here = Running(app, http, clock, bus, background_work)

        async def hear(event: Event) -> None:
            here.heard.append(event)

        if hears:
            await bus.subscribe("test", dict.fromkeys(hears, hear))
        await stack.enter_async_context(app.router.lifespan_context(app))
        await stack.enter_async_context(http)
        yield here


__all__ = ["NOON", "Running", "Service", "neighbours", "not_found", "running"]
