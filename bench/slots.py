"""Compares a list of slots with the bit-mask work in it, and `earliest` with one doctor's list: `.venv/bin/python -m bench.slots`.

There are 200 doctors with a month of hours and 120 bookings each, in SQLite and, where `make servers` started one, in MariaDB, and one
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

from bench.databases import mysql_server, on_mysql, on_sqlite
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
Asking = Callable[[], Awaitable[Any]]


def bookings(seed: int) -> dict[UUID, list[BookedSlot]]:
    """Return random bookings of every doctor that do not overlap."""
    chance, service, found = random.Random(seed), ServiceTerms.from_rules(SERVICE), dict[UUID, list[BookedSlot]]()
    for number, doctor in enumerate(CLINIC):
        grid = range(MONTH.start, MONTH.stop - 8, 8)
        starts = sorted(chance.sample(grid, BOOKINGS))
        patient = UUID(int=10**6 + number)
        found[doctor.id] = [
            BookedSlot(SERVICE.id, doctor.id, patient, service.visit_span(start), service.doctor_span(start)) for start in starts
        ]
    return found


async def fill(url: str, booked: dict[UUID, list[BookedSlot]]) -> None:
    migrate("scheduling_svc", url)
    async with Database(url) as database:
        store = SqlCalendarStore(database, lambda: NOW)
        async with store.begin() as tx:
            await tx.save_service_rules(SERVICE)
            for doctor in CLINIC:
                await tx.save_doctor_rules(doctor)
            await tx.mark_all_rules_saved()
        for doctor_id, places in booked.items():
            async with store.begin() as tx:
                for number, place in enumerate(places):
                    await tx.save_claim(Claim(UUID(int=doctor_id.int * 10**6 + number), 1, place), None)


@asynccontextmanager
async def served(url: str) -> AsyncIterator[httpx.AsyncClient]:
    clock = MovableClock(NOW, running=False)
    quiet: dict[str, Any] = {"log_level": "error", "lifespan": "on", "access_log": False}
    async with EmbeddedBus(":memory:", clock) as bus:
        settings = SchedulingSettings(database_url=url, client_secret="x" * 40, env="test", log_level="ERROR")
        app = create_app(settings, overrides=Overrides(bus=bus, clock=clock, transport=lambda _: httpx.MockTransport(_nobody)))
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, **quiet))
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as http:
            yield http
        server.should_exit = True
        await running


def _nobody(_request: httpx.Request) -> httpx.Response:
    """Answer as an auth-service in which nothing ever happens."""
    return httpx.Response(200, json={"items": [], "keys": [], "access_token": "x", "expires_in": 600})


def bit_masks(booked: dict[UUID, list[BookedSlot]]) -> Asking:
    service, doctors = ServiceTerms.from_rules(SERVICE), [DoctorTerms.from_rules(rules) for rules in CLINIC]
    times = {
        doctor_id: [BookedTime(place.visit.start, place.visit.stop, place.span.start, place.span.stop) for place in places]
        for doctor_id, places in booked.items()
    }

    async def work() -> int:
        grids = (AvailabilityGrid.of(service, doctor, MONTH, Viewer(NOW), BusyTimes(times[doctor.id])) for doctor in doctors)
        return sum(len(list(availability.free_starts(availability_grid))) for availability_grid in grids)

    return work


def asking(http: httpx.AsyncClient, path: str) -> Asking:
    async def ask() -> None:
        answer = await http.get(path)
        answer.raise_for_status()
        assert answer.json()["items"]

    return ask


async def medians(kinds: dict[str, Asking], rounds: int) -> dict[str, float]:
    """Return the median of every measurement in milliseconds."""
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(rounds + 2):
        for name, ask in kinds.items():
            began = time.perf_counter()
            await ask()
            if number > 1:
                found[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(times) for name, times in found.items()}


async def measure(name: str, url: str, rounds: int) -> None:
    booked = bookings(seed=1)
    await fill(url, booked)
    until = (NOW + timedelta(days=DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    month = f"service_id={SERVICE.id}&from=2026-03-01T00:00:00Z&to={until}"
    async with served(url) as http:
        kinds = {
            "bit masks": bit_masks(booked),
            "200 doctors' list": asking(http, f"/slots?{month}"),
            "one doctor's list": asking(http, f"/slots?{month}&doctor_id={CLINIC[0].id}&limit=1000"),
            "earliest of 200": asking(http, f"/slots/earliest?service_id={SERVICE.id}"),
        }
        found = await medians(kinds, rounds)
    for kind, milliseconds in found.items():
        print(f"{name:8} {kind:20} median {milliseconds:7.1f} ms")
    masks, listed, one, earliest = found.values()
    print(f"{name:8} list / bit masks = {listed / masks:.2f}, earliest / one doctor's list = {earliest / one:.2f}")


async def main() -> None:
    logging.disable(logging.INFO)
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rounds", type=int, default=15)
    chosen = given.parse_args()
    async with AsyncExitStack() as stack:
        await measure("SQLite", await stack.enter_async_context(on_sqlite()), chosen.rounds)
        if mysql_server():
            await measure("MariaDB", await stack.enter_async_context(on_mysql()), chosen.rounds)


if __name__ == "__main__":
    asyncio.run(main())
