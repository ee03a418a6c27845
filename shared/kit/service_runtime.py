"""What every service stands on: bus, token check, ended sessions, neighbours, jobs - from settings, or from the plugs it was given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from shared.contracts.events import Event, SessionEnded
from shared.contracts.identity import Service
from shared.contracts.values import Instant, ReadModel
from shared.kit.bus import Bus, Handlers
from shared.kit.client import ServiceClient, ServiceToken, TokenSource
from shared.kit.clock import Clock
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.jobs import Jobs
from shared.kit.key_set import FetchKeys, KeySet
from shared.kit.leases import LeaseHolder
from shared.kit.outbox import Relay
from shared.kit.overrides import Overrides, open_bus
from shared.kit.settings import CommonSettings
from shared.kit.sql import Database
from shared.kit.sql_idempotency import SqlIdempotencyStore
from shared.kit.sql_leases import SqlLeases
from shared.kit.tokens import Verifier

WATCH_SECONDS = 3.0


class EndedSession(ReadModel):
    session_id: UUID
    expires_at: Instant


class EndedSessions(ReadModel):
    """What auth-service answers to `GET /internal/ended-sessions`."""

    items: list[EndedSession]


@dataclass(slots=True)
class ServiceRuntime:
    """Made by `footing(...)`; closed with the service."""

    app: FastAPI
    settings: CommonSettings
    plugs: Overrides
    bus: Bus
    jobs: Jobs
    stack: AsyncExitStack
    clients: dict[Service, httpx.AsyncClient] = field(default_factory=dict)
    token: TokenSource | None = None

    @property
    def clock(self) -> Clock:
        return self.plugs.clock

    def neighbour(self, service: Service) -> ServiceClient:
        """A client of another service, with this service's own token."""
        if self.token is None:
            auth = ServiceClient(Service.AUTH, self.settings.urls(Service.AUTH), self._http(Service.AUTH), None)
            self.token = ServiceToken(auth, self.settings.service, self.settings.client_secret, self.clock)
        return ServiceClient(service, self.settings.urls(service), self._http(service), self.token)

    def _http(self, service: Service) -> httpx.AsyncClient:
        if service not in self.clients:
            transport = self.plugs.transport(service) if self.plugs.transport else network()
            client = httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=None)
            self.stack.push_async_callback(client.aclose)
            self.clients[service] = client
        return self.clients[service]

    async def database(self, url: str, plumbing: InfrastructureTables) -> Database:
        """The service's database, with its relay, its kept answers and its place in readiness."""
        database = await self.stack.enter_async_context(Database(url))
        self.app.state.answers = SqlIdempotencyStore(database, plumbing, self.clock)
        self.app.state.checks.append(database.check)
        return database

    def relay(self, database: Database, plumbing: InfrastructureTables) -> Any:
        """Starts carrying the outbox; gives the nudge to call after a commit."""
        relay, holder = Relay(database, plumbing, self.bus, self.clock), self.holder(database, plumbing)
        self.jobs.add("prune", relay.prune, every_seconds=3600, holder=holder)
        return self.jobs.add("relay", relay.publish_waiting, every_seconds=1, holder=holder)

    def holder(self, database: Database, plumbing: InfrastructureTables) -> LeaseHolder:
        return LeaseHolder(SqlLeases(database, plumbing, self.clock), self.plugs.holder, self.clock)

    async def subscribe(self, handlers: Handlers) -> None:
        await self.bus.subscribe(f"{self.settings.bus_namespace}{self.settings.service}", handlers)


@asynccontextmanager
async def open_service_runtime(
    app: FastAPI, settings: CommonSettings, plugs: Overrides, *, fetch_keys: FetchKeys | None = None, token: TokenSource | None = None
) -> AsyncIterator[ServiceRuntime]:
    """Everything a service has in common with its neighbours. `ground.jobs` is entered last. Only the issuer brings keys and token."""
    async with AsyncExitStack() as stack:
        bus: Bus = (
            plugs.bus
            if plugs.bus is not None
            else await stack.enter_async_context(open_bus(settings.bus_url, plugs.clock, settings.bus_namespace))
        )
        ground = ServiceRuntime(app, settings, plugs, bus, Jobs(plugs.pulse), stack, token=token)
        app.state.checks.append(bus.check)
        auth = ground.neighbour(Service.AUTH)
        keys = KeySet(fetch_keys or (lambda: _jwks(auth)), plugs.clock)
        app.state.verifier = Verifier(keys, settings.issuer, settings.audience, plugs.clock)
        await bus.subscribe_broadcast({SessionEnded: lambda event: _end(app.state.verifier, event)})
        if settings.service is not Service.AUTH:
            ground.jobs.add("ended sessions", lambda: _fetch_ended(auth, app.state.verifier), every_seconds=WATCH_SECONDS)
        yield ground


async def _jwks(auth: ServiceClient) -> list[dict[str, Any]]:
    answer = await auth.call("GET", "/.well-known/jwks.json")
    return list(answer["keys"])


async def _end(verifier: Verifier, event: Event) -> None:
    assert isinstance(event, SessionEnded)
    verifier.revoke_session(event.session_id, event.expires_at.timestamp())


async def _fetch_ended(auth: ServiceClient, verifier: Verifier) -> int:
    ended = await auth.get("/internal/ended-sessions", EndedSessions)
    for session in ended.items:
        verifier.revoke_session(session.session_id, session.expires_at.timestamp())
    return 0


def network() -> httpx.AsyncBaseTransport:
    """Calls over sockets, with a pool that recovers after a storm of deadlines (httpx's own does not)."""
    from aiohttp import ClientSession, DummyCookieJar, TCPConnector
    from httpx_aiohttp import AiohttpTransport

    transport: httpx.AsyncBaseTransport = AiohttpTransport(
        client=lambda: ClientSession(connector=TCPConnector(limit=128, keepalive_timeout=30), cookie_jar=DummyCookieJar())
    )
    return transport
