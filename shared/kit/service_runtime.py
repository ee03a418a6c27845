"""The runtime of a service: event bus, token verification, ended sessions, clients of other services and jobs."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client import Counter

from shared.contracts.clinic import ClinicProfile
from shared.contracts.events import SessionEnded, SettingsChanged
from shared.contracts.identity import Service
from shared.kit.bus import Bus, Handlers, open_bus
from shared.kit.client import ServiceClient, ServiceToken, TokenSource
from shared.kit.clinic_settings import POLL_SECONDS as CLINIC_POLL_SECONDS
from shared.kit.clinic_settings import ClinicFollower, FetchSettings, SettingsCopy, fetch_from
from shared.kit.clock import Clock
from shared.kit.dead_letters import DeadLetters, DeadLetterStore
from shared.kit.ended_sessions import MAX_PAGE_LENGTH, POLL_SECONDS, EndedSessionPoller, EndedSessions
from shared.kit.idempotency_store import IdempotencyStore
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder
from shared.kit.logs import log_event
from shared.kit.outbox import BATCH, Relay
from shared.kit.overrides import Overrides
from shared.kit.settings import CommonSettings
from shared.kit.signing_keys import FetchKeys, KeySet
from shared.kit.sql import Database
from shared.kit.sql_dead_letters import SqlDeadLetterStore
from shared.kit.sql_idempotency import SqlIdempotencyStore
from shared.kit.sql_leases import SqlLeases
from shared.kit.tokens import Verifier
from shared.kit.use_cases import provide_use_cases

UNCOMPRESSED = {"Accept-Encoding": "identity"}  # between services, compressing costs more than it saves


@dataclass(slots=True)
class ServiceRuntime:
    """What every service runs on: event bus, jobs, clock, clients of other services, database. Opened by `open_service_runtime`.

    `stack` closes everything that was opened, in reverse, when the service ends.
    """

    app: FastAPI
    settings: CommonSettings
    overrides: Overrides
    bus: Bus
    jobs: Jobs
    stack: AsyncExitStack
    token: TokenSource | None = None
    dead_letters: DeadLetters | None = None
    http_clients: dict[Service, httpx.AsyncClient] = field(default_factory=dict)
    service_clients: dict[Service, ServiceClient] = field(default_factory=dict)

    @property
    def clock(self) -> Clock:
        return self.overrides.clock

    @property
    def stored_answers(self) -> IdempotencyStore:
        """The answers that are stored for Idempotency-Keys, once the database is open."""
        store: IdempotencyStore = self.app.state.idempotency
        return store

    def provide(self, *use_cases: object) -> None:
        """Make use-case objects available to the routes, each by its class."""
        provide_use_cases(self.app, *use_cases)

    def client(self, service: Service) -> ServiceClient:
        """Return the client of another service that authenticates with this service's own token.

        All callers share one client, so that its limit of concurrent calls fits the connection pool, and so that they share its circuit
        breakers.
        """
        if self.token is None:
            auth = ServiceClient(Service.AUTH, self.settings.urls(Service.AUTH), self._http_client(Service.AUTH), None)
            self.token = ServiceToken(auth, self.settings.service, self.settings.client_secret, self.clock)
        if service not in self.service_clients:
            http = self._http_client(service)
            self.service_clients[service] = ServiceClient(service, self.settings.urls(service), http, self.token)
        return self.service_clients[service]

    def _http_client(self, service: Service) -> httpx.AsyncClient:
        if service not in self.http_clients:
            transport = self.overrides.transport(service) if self.overrides.transport else network_transport()
            client = httpx.AsyncClient(transport=transport, headers=UNCOMPRESSED, trust_env=False, follow_redirects=False, timeout=None)
            self.stack.push_async_callback(client.aclose)
            self.http_clients[service] = client
        return self.http_clients[service]

    async def open_database(self, url: str, tables: InfrastructureTables) -> Database:
        """Open the service's database; it also stores idempotency keys and dead letters, and takes part in readiness."""
        database = await self.stack.enter_async_context(Database(url))
        self.app.state.idempotency = SqlIdempotencyStore(database, tables, self.clock)
        self.app.state.checks.append(database.check)
        self.keep_dead_letters(SqlDeadLetterStore(database, tables), self.lease_holder(database, tables))
        return database

    def keep_dead_letters(self, store: DeadLetterStore, holder: LeaseHolder) -> None:
        """Move dead letters of this service's queue into its database from now on, where notification-service can list and replay them."""
        given_up = Counter("dead_letters", "Events that this service could not handle", ["topic"], registry=self.app.state.registry)
        letters = DeadLetters(store, self.bus, self.queue, self.clock, lambda topic: given_up.labels(topic).inc())
        self.dead_letters = letters
        self.provide(letters)
        self.jobs.add("prune_dead_letters", letters.prune, every_seconds=3600, holder=holder)

    def start_outbox_relay(self, database: Database, tables: InfrastructureTables) -> Callable[[], None]:
        """Schedule the jobs that publish and prune the outbox; return the function that wakes the relay after a commit."""
        relay, holder = self.start_pruning(database, tables)
        return self.jobs.add("relay", relay.publish_waiting, every_seconds=1, holder=holder, batch=BATCH)

    def start_pruning(self, database: Database, tables: InfrastructureTables) -> tuple[Relay, LeaseHolder]:
        """Schedule the job that deletes old rows. This is enough for a service without events of its own.

        Returns the relay and the holder of its leases.
        """
        relay, holder = Relay(database, tables, self.bus, self.clock), self.lease_holder(database, tables)
        self.jobs.add("prune", relay.prune, every_seconds=3600, holder=holder)
        return relay, holder

    async def follow_clinic(self, copy: SettingsCopy, *, fetch: FetchSettings | None = None, **defaults: Any) -> ClinicFollower:
        """Return the follower of the clinic's settings, which fetches them again within a minute of a change.

        `defaults` replace values of the environment, which are used where an admin has set nothing. admin-service, which owns the settings,
        passes `fetch`.
        """
        environment = {"name": self.settings.clinic_name, "time_zone": self.settings.time_zone, "locale": self.settings.locale}
        clinic = ClinicProfile(**environment | {"languages": (self.settings.locale,)} | defaults)
        follower = ClinicFollower(clinic, fetch or fetch_from(self.client(Service.ADMIN)), copy, self.clock)
        await follower.load()
        self.provide(follower)
        follower.wake = self.jobs.add("clinic_settings", follower.refresh, every_seconds=CLINIC_POLL_SECONDS)
        await self.bus.subscribe_broadcast({SettingsChanged: follower.announce})
        return follower

    def lease_holder(self, database: Database, tables: InfrastructureTables) -> LeaseHolder:
        """Return the holder of the leases for the jobs of this instance."""
        return LeaseHolder(SqlLeases(database, tables, self.clock), self.overrides.instance_name, self.clock)

    async def subscribe(self, handlers: Handlers) -> None:
        """Consume events from the queue that all instances of this service share."""
        await self.bus.subscribe(self.queue, handlers, self.dead_letters.keep if self.dead_letters else None)

    @property
    def queue(self) -> str:
        """The name of the queue that all instances of this service share."""
        return f"{self.settings.bus_namespace}{self.settings.service}"


@asynccontextmanager
async def open_service_runtime(
    app: FastAPI, settings: CommonSettings, overrides: Overrides, *, fetch_keys: FetchKeys | None = None, token: TokenSource | None = None
) -> AsyncIterator[ServiceRuntime]:
    """Open what every service runs on. The caller enters `runtime.jobs` last.

    Only auth-service, which issues the tokens, passes `fetch_keys` and `token`.
    """
    log_event("service_starting", service=str(settings.service), time_zone=settings.time_zone, locale=settings.locale)
    async with AsyncExitStack() as stack:
        bus: Bus = (
            overrides.bus
            if overrides.bus is not None
            else await stack.enter_async_context(open_bus(settings.bus_url, overrides.clock, settings.bus_namespace))
        )
        runtime = ServiceRuntime(app, settings, overrides, bus, Jobs(overrides.background_work), stack, token)
        app.state.checks.append(bus.check)
        auth = runtime.client(Service.AUTH)
        keys = KeySet(fetch_keys or (lambda: _fetch_jwks(auth)), overrides.clock)
        verifier = app.state.verifier = Verifier(keys, settings.issuer, settings.audience, overrides.clock)
        await bus.subscribe_broadcast({SessionEnded: lambda event: _end_session(verifier, event)})
        if settings.service is not Service.AUTH:
            poller = EndedSessionPoller(functools.partial(_fetch_ended_sessions, auth), verifier.revoke_session)
            runtime.jobs.add("ended_sessions", poller.poll, every_seconds=POLL_SECONDS)
        yield runtime


async def _fetch_jwks(auth: ServiceClient) -> list[dict[str, Any]]:
    document = await auth.call("GET", "/.well-known/jwks.json")
    return list(document["keys"])


async def _end_session(verifier: Verifier, event: SessionEnded) -> None:
    verifier.revoke_session(event.session_id, event.expires_at.timestamp())


async def _fetch_ended_sessions(auth: ServiceClient, after: int) -> EndedSessions:
    return await auth.get("/internal/ended-sessions", EndedSessions, after=after, limit=MAX_PAGE_LENGTH)


def network_transport() -> httpx.AsyncBaseTransport:
    """Return a transport over sockets with aiohttp's connection pool, because httpx's own pool does not recover after many timeouts."""
    from aiohttp import ClientSession, DummyCookieJar, TCPConnector
    from httpx_aiohttp import AiohttpTransport

    transport: httpx.AsyncBaseTransport = AiohttpTransport(
        client=lambda: ClientSession(connector=TCPConnector(limit=128, keepalive_timeout=30), cookie_jar=DummyCookieJar())
    )
    return transport
