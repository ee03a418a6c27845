"""doctor-service and scheduling-service running together, with an event bus that keeps its messages back until it is told to deliver."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import httpx

from careslot.services import PACKAGES, settings_of
from shared.contracts.identity import Role, Service
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.clock import MovableClock
from shared.kit.jobs import BackgroundWork
from shared.kit.migrations import migrate
from shared.kit.overrides import Overrides
from shared.kit.transport import InProcessTransport
from tests.running import NOON, upstream_handler
from tests.service.doctor.running_doctor import ADA, ADMIN, CHECKUP, FakeAuthService
from tests.tokens import token
from tests.unit.scheduling.builders import NINE, a_reservation_request

SERVICES = (Service.DOCTOR, Service.SCHEDULING)
EVERY_DAY = [{"weekday": day, "start": "09:00", "end": "17:00"} for day in range(1, 8)]


class DelayedBus(EmbeddedBus):
    """A bus that accepts events and delivers none of them before `release`."""

    def __init__(self, path: str, clock: MovableClock) -> None:
        super().__init__(path, clock)
        self._is_released = False

    async def deliver_due(self) -> int:
        return await super().deliver_due() if self._is_released else 0

    async def _deliver_queue(self, queue: str, consumer: Any) -> int:
        return await super()._deliver_queue(queue, consumer) if self._is_released else 0

    def release(self) -> None:
        """Deliver from now on."""
        self._is_released = True


@dataclass
class DoctorAndCalendar:
    """Both services. `requests` are sent to the service that owns their path; `stopped` services do not answer."""

    bus: DelayedBus
    background_work: BackgroundWork
    apps: dict[Service, Any] = field(default_factory=dict)
    clients: dict[Service, httpx.AsyncClient] = field(default_factory=dict)
    stopped: set[Service] = field(default_factory=set)

    def find_app(self, service: Service) -> Any:
        return None if service in self.stopped else self.apps[service]

    async def request(
        self, method: str, path: str, body: Any = None, *, version: int | None = None, headers: dict[str, str] = ADMIN
    ) -> Any:
        """Send a request and return the JSON of its response. Asserts that it succeeded."""
        is_calendar = "/slots" in path or path.startswith(("/internal/reservations", "/holds", "/admin/closures")) or "/leaves" in path
        client = self.clients[Service.SCHEDULING if is_calendar else Service.DOCTOR]
        if_match = {} if version is None else {"If-Match": f'"{version}"'}
        response = await client.request(method, path, json=body, headers=headers | if_match)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def create_service(self, **changes: Any) -> str:
        return str((await self.request("POST", "/services", CHECKUP | changes))["id"])

    async def create_doctor(self, *services: str) -> str:
        """Create a doctor who works every day from nine to five in Berlin. The schedule's version is 2 then."""
        doctor = await self.request("POST", "/doctors", ADA | {"email": f"{uuid4()}@clinic.example", "services": list(services)})
        await self.request("PUT", f"/doctors/{doctor['id']}/schedules", {"weekly": EVERY_DAY}, version=1)
        return str(doctor["id"])

    async def list_slots(self, service: str, path: str = "/slots", **query: str) -> list[dict[str, Any]]:
        """List the free times of Monday, the ninth of March."""
        query = {"service_id": service, "from": "2026-03-09T00:00:00Z", "limit": "100"} | query
        if path == "/slots":
            query |= {"to": "2026-03-10T00:00:00Z"}
        listed = await self.request("GET", f"{path}?{httpx.QueryParams(query)}")
        return [slot for slot in listed["items"] if slot["starts_at"].startswith("2026-03-09")]

    async def book(self, number: int, service: str, doctor: str, starts_at: Any = NINE) -> None:
        request = a_reservation_request(service_id=service, doctor_id=doctor, starts_at=starts_at, patient_id=UUID(int=0xAA00 + number))
        headers = {"Authorization": f"Bearer {token(Role.SERVICE, Service.APPOINTMENT)}"}
        await self.request("PUT", f"/internal/reservations/{UUID(int=number)}", request.model_dump(mode="json"), headers=headers)


@asynccontextmanager
async def run_doctor_and_calendar(folder: Path) -> AsyncIterator[DoctorAndCalendar]:
    """Run both services on SQLite. The clock stands still at NOON."""
    clock, background_work = MovableClock(NOON, running=False), BackgroundWork()
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(DelayedBus(str(folder / "bus.db"), clock))
        background_work.add(bus.deliver_due)
        both = DoctorAndCalendar(bus, background_work)
        others = httpx.MockTransport(_answer_as_auth_service)

        def transport(service: Service) -> httpx.AsyncBaseTransport:
            return InProcessTransport(lambda: both.find_app(service)) if service in SERVICES else others

        for service in SERVICES:
            package = PACKAGES[service]
            url = f"sqlite+aiosqlite:///{folder / package}.db"
            migrate(package, url)
            settings = settings_of(service)(database_url=url, client_secret="x" * 40, env="test")
            overrides = Overrides(bus=bus, transport=transport, clock=clock, background_work=background_work)
            app = both.apps[service] = importlib.import_module(f"{package}.main").create_app(settings, overrides=overrides)
            await stack.enter_async_context(app.router.lifespan_context(app))
            client = httpx.AsyncClient(transport=InProcessTransport(partial(both.apps.get, service)), base_url="http://test")
            both.clients[service] = await stack.enter_async_context(client)
        await background_work.run_until_idle()
        yield both


def _answer_as_auth_service(request: httpx.Request) -> httpx.Response:
    """Issue valid tokens to services, and answer the other requests as the fake auth-service does."""
    if request.url.path == "/auth/token":
        [client_id] = parse_qs(request.content.decode())["client_id"]
        return httpx.Response(200, json={"access_token": token(Role.SERVICE, client_id), "expires_in": 600})
    return upstream_handler(FakeAuthService())(request)
