"""Compares a list of slots with the bit-mask work in it, and `earliest` with one doctor's list: `.venv/bin/python -m bench.slots`.

There are 200 doctors with a month of hours and 120 bookings each, in SQLite and, if `make servers` started it, in MariaDB, and one
process of scheduling-service behind uvicorn that is called over a real socket. All measurements take turns; their medians are compared.
The bit-mask work is, for the same doctors and bookings in memory: expand the hours, set the bits of bookings, apply all rules, and yield
every free start.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import uvicorn

from bench.databases import create_mysql_database, create_sqlite_database, mysql_server
from scheduling_svc.domain import availability
from scheduling_svc.domain.busy_times import BookedTime, BusyTimes
from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.main import create_app
from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.settings import SchedulingSettings
from shared.contracts.grains import DAY, grain_of
from shared.contracts.http import DoctorRules, ServiceTypeRules, WeeklyWindow
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.clock import MovableClock
from shared.kit.migrations import migrate
from shared.kit.overrides import Overrides
from shared.kit.sql import Database

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAYS, DOCTORS, BOOKINGS = 30, 200, 120
ZONES = ("Europe/Berlin", "Europe/London", "America/New_York", "Asia/Kolkata")
HOURS = [WeeklyWindow(weekday=day, start=start, end=end) for day in range(1, 8) for start, end in (("08:00", "12:00"), ("13:00", "18:00"))]
SERVICE = ServiceTypeRules(
    id=UUID(int=1), name="Check-up", duration_minutes=30, buffer_after_minutes=10, slot_step_minutes=10, horizon_days=90, version=1
)
CLINIC = [
    DoctorRules(id=UUID(int=100 + n), full_name=f"D{n}", time_zone=ZONES[n % 4], services=[SERVICE.id], weekly=HOURS, version=1)
    for n in range(DOCTORS)
]
MONTH = range(grain_of(NOW), grain_of(NOW) + DAYS * DAY)
Work = Callable[[], Awaitable[Any]]


def random_bookings(seed: int) -> dict[UUID, list[BookedSlot]]:
    """Return random bookings of every doctor that do not overlap."""
    rng, service, slots_by_doctor = random.Random(seed), ServiceTerms.from_rules(SERVICE), dict[UUID, list[BookedSlot]]()
    for number, doctor in enumerate(CLINIC):
        grid = range(MONTH.start, MONTH.stop - 8, 8)
        starts = sorted(rng.sample(grid, BOOKINGS))
        patient = UUID(int=10**6 + number)
        slots_by_doctor[doctor.id] = [
            BookedSlot(SERVICE.id, doctor.id, patient, service.visit_span(start), service.doctor_span(start)) for start in starts
        ]
    return slots_by_doctor


async def save_clinic(url: str, booked: dict[UUID, list[BookedSlot]]) -> None:
    migrate("scheduling_svc", url)
    async with Database(url) as database:
        store = SqlCalendarStore(database, lambda: NOW)
        async with store.begin() as tx:
            await tx.save_service_rules(SERVICE)
            for doctor in CLINIC:
                await tx.save_doctor_rules(doctor)
            await tx.mark_all_rules_saved()
        for doctor_id, slots in booked.items():
            async with store.begin() as tx:
                for number, slot in enumerate(slots):
                    await tx.save_claim(Claim(UUID(int=doctor_id.int * 10**6 + number), 1, slot), None)


@asynccontextmanager
async def run_scheduling_service(url: str) -> AsyncIterator[httpx.AsyncClient]:
    clock = MovableClock(NOW, running=False)
    quiet: dict[str, Any] = {"log_level": "error", "lifespan": "on", "access_log": False}
    async with EmbeddedBus(":memory:", clock) as bus:
        settings = SchedulingSettings(database_url=url, client_secret="x" * 40, env="test", log_level="ERROR")
        app = create_app(
            settings, overrides=Overrides(bus=bus, clock=clock, transport=lambda _: httpx.MockTransport(_respond_as_auth_service))
        )
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, **quiet))
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as http:
            yield http
        server.should_exit = True
        await running


def _respond_as_auth_service(_request: httpx.Request) -> httpx.Response:
    """Respond as an auth-service without keys and ended sessions."""
    return httpx.Response(200, json={"items": [], "keys": [], "access_token": "x", "expires_in": 600})


def bit_mask_work(booked: dict[UUID, list[BookedSlot]]) -> Work:
    service, doctors = ServiceTerms.from_rules(SERVICE), [DoctorTerms.from_rules(rules) for rules in CLINIC]
    times = {
        doctor_id: [BookedTime(slot.visit.start, slot.visit.stop, slot.span.start, slot.span.stop) for slot in slots]
        for doctor_id, slots in booked.items()
    }

    async def work() -> int:
        grids = (AvailabilityGrid.of(service, doctor, MONTH, Viewer(NOW), BusyTimes(times[doctor.id])) for doctor in doctors)
        return sum(len(list(availability.free_starts(availability_grid))) for availability_grid in grids)

    return work


def list_request(http: httpx.AsyncClient, path: str) -> Work:
    async def work() -> None:
        response = await http.get(path)
        response.raise_for_status()
        assert response.json()["items"]

    return work


async def median_milliseconds(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """Return the median of every measurement in milliseconds."""
    milliseconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 2):
        for name, work in works.items():
            started_at = time.perf_counter()
            await work()
            if number > 1:
                milliseconds[name].append((time.perf_counter() - started_at) * 1000)
    return {name: statistics.median(times) for name, times in milliseconds.items()}


async def measure(name: str, url: str, rounds: int) -> None:
    booked = random_bookings(seed=1)
    await save_clinic(url, booked)
    until = (NOW + timedelta(days=DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    month = f"service_id={SERVICE.id}&from=2026-03-01T00:00:00Z&to={until}"
    async with run_scheduling_service(url) as http:
        works = {
            "bit masks": bit_mask_work(booked),
            "200 doctors' list": list_request(http, f"/slots?{month}"),
            "one doctor's list": list_request(http, f"/slots?{month}&doctor_id={CLINIC[0].id}&limit=1000"),
            "earliest of 200": list_request(http, f"/slots/earliest?service_id={SERVICE.id}"),
        }
        medians = await median_milliseconds(works, rounds)
    for kind, milliseconds in medians.items():
        print(f"{name:8} {kind:20} median {milliseconds:7.1f} ms")
    masks, list_of_all, list_of_one, earliest = medians.values()
    print(f"{name:8} list / bit masks = {list_of_all / masks:.2f}, earliest / one doctor's list = {earliest / list_of_one:.2f}")


async def main() -> None:
    logging.disable(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    async with AsyncExitStack() as stack:
        await measure("SQLite", await stack.enter_async_context(create_sqlite_database()), options.rounds)
        if mysql_server():
            await measure("MariaDB", await stack.enter_async_context(create_mysql_database()), options.rounds)


if __name__ == "__main__":
    asyncio.run(main())
