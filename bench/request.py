"""Compares the cost of a request to a service with that of the same route in a bare FastAPI app: `.venv/bin/python -m bench.request`.

The apps are called in process, straight through ASGI, one request after another. Processor time is measured, so that other
work on the machine does not count. All cases take turns in every round; the ratios are the medians over the rounds.
With `--profile` it lists the functions in which a request to a service spends its time.
"""

# This module does not import `annotations` from `__future__`: FastAPI reads the annotations of the routes below, which are local names.
import argparse
import asyncio
import cProfile
import gc
import io
import json
import pstats
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Message

from bench.databases import create_mysql_database, mysql_server

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = {"host": "bench", "accept": "application/json", "x-request-id": "0190a1b2-0000-7000-8000-00000000000a", "traceparent": TRACE}
DOCTORS = 25
LOG_RECORDS = 10  # log records per measured request
Work = Callable[[], Awaitable[None]]


class Item(BaseModel):
    id: UUID
    name: str
    status: str
    starts_at: datetime
    ends_at: datetime
    minutes: int
    price: float
    labels: list[str]
    note: str | None = None


ITEM = Item(
    id=UUID(int=7),
    name="Check-up",
    status="booked",
    starts_at=datetime(2026, 3, 9, 13, tzinfo=UTC),
    ends_at=datetime(2026, 3, 9, 13, 30, tzinfo=UTC),
    minutes=30,
    price=49.5,
    labels=["first visit", "fasting"],
)


class LastLine(io.TextIOBase):
    """A stream that keeps only the last text written to it."""

    written = ""

    def write(self, text: str) -> int:
        self.written = text
        return len(text)


@dataclass(frozen=True)
class Items:
    """A use-case object. `read` returns an item from the database; it is None where there is no database."""

    read: Callable[[UUID], Awaitable[Item]] | None = None


# Only the next four functions import the product.


@asynccontextmanager
async def service_app(database_url: str | None) -> AsyncIterator[FastAPI]:
    """Run a service with the routes `/items/{id}`, `/found/{id}` (with a use case by Depends) and `/rows/{id}` (which reads a row)."""
    from shared.contracts.identity import Service
    from shared.kit import routes
    from shared.kit.access import Account
    from shared.kit.app import create_service_app
    from shared.kit.clock import system_clock
    from shared.kit.overrides import Overrides
    from shared.kit.settings import CommonSettings
    from shared.kit.signing_keys import KeySet
    from shared.kit.sql import Database, Id, UtcDateTime
    from shared.kit.tokens import Verifier
    from shared.kit.use_cases import provide_use_cases, use_case
    from tests.tokens import jwks

    class BenchSettings(CommonSettings):
        service = Service.DOCTOR

    router = routes.service_router()
    text = sa.String(100)
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("id", Id, primary_key=True),
        *(sa.Column(name, text, nullable=name == "note") for name in ("name", "status", "note")),
        *(sa.Column(name, UtcDateTime, nullable=False) for name in ("starts_at", "ends_at")),
        *(sa.Column(name, kind, nullable=False) for name, kind in (("minutes", sa.Integer), ("price", sa.Float), ("labels", sa.JSON))),
    )
    table = sa.Table("items", sa.MetaData(), *columns)

    @router.get("/items/{item_id}", response_model=Item)
    async def get_item(item_id: UUID, _caller: Account) -> Item:
        return ITEM

    @router.get("/found/{item_id}", response_model=Item)
    async def find_item(item_id: UUID, _caller: Account, items: Annotated[Items, use_case(Items)]) -> Item:
        return ITEM

    @router.get("/rows/{item_id}", response_model=Item)
    async def read_item(item_id: UUID, _caller: Account, items: Annotated[Items, use_case(Items)]) -> Item:
        assert items.read is not None
        return await items.read(item_id)

    async def fetch_keys() -> list[dict[str, Any]]:
        return list(jwks()["keys"])

    @asynccontextmanager
    async def wire(app: FastAPI, _settings: BenchSettings, _overrides: Overrides) -> AsyncIterator[None]:
        app.state.verifier = Verifier(KeySet(fetch_keys, system_clock), "careslot", "careslot", system_clock)
        provide_use_cases(app, Items())
        if database_url is None:
            yield
            return
        async with Database(database_url) as database:
            async with database.write() as connection:
                await connection.run_sync(table.create)
                await connection.execute(table.insert().values(**ITEM.model_dump()))

            async def read(item_id: UUID) -> Item:
                async with database.read() as connection:
                    rows = await connection.execute(sa.select(table).where(table.c.id == item_id))
                    return Item(**rows.one()._mapping)

            provide_use_cases(app, Items(read))
            yield

    app = create_service_app(BenchSettings(), Overrides(), wire, router)
    async with app.router.lifespan_context(app):
        yield app


def authorization_headers() -> dict[str, str]:
    """Return the headers of an authenticated caller, with a signed token."""
    from shared.contracts.identity import Role
    from tests.tokens import bearer

    return {name.lower(): value for name, value in bearer(Role.PATIENT).items()}


def redirect_log(stream: LastLine) -> Callable[[], None]:
    """Write the log lines of the product to `stream`. Returns a function that logs one request."""
    from shared.kit.logs import JsonLineHandler, log, log_event, request_id

    log.handlers, log.propagate = [JsonLineHandler(stream)], False
    log.setLevel("INFO")

    def log_request() -> None:
        request_id.set(HEADERS["x-request-id"])
        log_event("request", service="bench", method="GET", route="/items/{item_id}", status=200, ms=1.2)

    return log_request


@asynccontextmanager
async def doctor_app(folder: Path) -> AsyncIterator[FastAPI]:
    """Run doctor-service on SQLite with 25 doctors."""
    from tests.service.doctor.running_doctor import run_doctor_service

    async with run_doctor_service(folder) as doctors:
        for number in range(DOCTORS):
            await doctors.create_doctor(full_name=f"Doctor {number:02}")
        yield doctors.service.app


def bare_app() -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item_id}", response_model=Item)
    async def get_item(item_id: UUID) -> Item:
        return ITEM

    return app


class Call:
    """One request to an app, as an ASGI server would make it; a status other than 200 ends the program."""

    asgi: ClassVar[dict[str, str]] = {"version": "3.0", "spec_version": "2.3"}

    def __init__(self, app: ASGIApp, path: str, headers: dict[str, str]) -> None:
        self.app, self.path = app, path
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.status, self.body = 0, b""

    async def __call__(self) -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": self.asgi,
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": self.headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        self.status = 0
        await self.app(scope, self.receive, self.send)
        if self.status != 200:
            raise SystemExit(f"{self.path} answered {self.status}: {self.body!r}")

    async def receive(self) -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body = message.get("body", b"")


def repeat(call: Callable[[], object], times: int) -> Work:
    async def work() -> None:
        for _ in range(times):
            call()

    return work


async def processor_microseconds(work: Work, times: int) -> float:
    """Return the microseconds of processor time that `work` takes each time; the garbage collector is switched off."""
    gc.collect()
    gc.disable()
    started_at = time.process_time()
    for _ in range(times):
        await work()
    used = time.process_time() - started_at
    gc.enable()
    return used / times * 1e6


async def measure(cases: dict[str, Work], rounds: int, requests: int) -> dict[str, list[float]]:
    """Return the microseconds of every case in every round. A first round warms up and is not counted."""
    microseconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, work in cases.items():
            used = await processor_microseconds(work, requests)
            if number:
                microseconds[name].append(used)
    return microseconds


def median_ratio(microseconds: dict[str, list[float]], name: str, other: str) -> float:
    """Return the median over the rounds of the cost of one case divided by that of another in the same round."""
    return statistics.median(used / used_by_other for used, used_by_other in zip(microseconds[name], microseconds[other], strict=True))


BARE, SERVICE, FOUND, ROW = "1 bare FastAPI", "2 service", "2b service, use cases by Depends", "3 service, one row of MariaDB"
LIST, LOG, DUMP = f"4 GET /doctors, {DOCTORS} of them", "one log record", "one json.dumps of it"


def show(microseconds: dict[str, list[float]]) -> None:
    for name, rounds in microseconds.items():
        times = LOG_RECORDS if name in (LOG, DUMP) else 1
        print(f"{name:34} {statistics.median(rounds) / times:8.1f} us   ({min(rounds) / times:.1f} to {max(rounds) / times:.1f})")
    for name in (SERVICE, FOUND, ROW):
        if name in microseconds:
            print(f"{name} / {BARE} = {median_ratio(microseconds, name, BARE):.2f}")
    print(f"{LOG} / {DUMP} = {median_ratio(microseconds, LOG, DUMP):.2f}")


async def profile(call: Work, requests: int) -> None:
    """Print the functions with the most time of their own."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(requests):
        await call()
    profiler.disable()
    print(f"\n{SERVICE}: own time of {requests} requests, under the profiler")
    pstats.Stats(profiler).sort_stats("tottime").print_stats(15)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=300, help="of each case in each round")
    parser.add_argument("--profile", action="store_true", help="list the functions that take the time of a request to a service")
    options = parser.parse_args()
    stream = LastLine()
    async with AsyncExitStack() as stack:
        log_request = redirect_log(stream)
        log_request()
        line = json.loads(stream.written)
        headers = HEADERS | authorization_headers()
        url = await stack.enter_async_context(create_mysql_database()) if mysql_server() else None
        service = await stack.enter_async_context(service_app(url))
        doctors = await stack.enter_async_context(doctor_app(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        cases: dict[str, Work] = {
            BARE: Call(bare_app(), f"/items/{ITEM.id}", headers),
            SERVICE: Call(service, f"/items/{ITEM.id}", headers),
            FOUND: Call(service, f"/found/{ITEM.id}", headers),
            ROW: Call(service, f"/rows/{ITEM.id}", headers),
            LIST: Call(doctors, "/doctors", HEADERS),
            LOG: repeat(log_request, LOG_RECORDS),
            DUMP: repeat(lambda: json.dumps(line), LOG_RECORDS),
        }
        if url is None:
            del cases[ROW]
            print("no MariaDB: without the case that reads a row; run `make servers` first")
        show(await measure(cases, options.rounds, options.requests))
        if options.profile:
            await profile(cases[SERVICE], 10 * options.requests)


if __name__ == "__main__":
    asyncio.run(main())
