"""Opening all stores of an installation for reading: the files of a data folder, or the servers that the environment names."""

from __future__ import annotations

import importlib
import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from careslot.auditor.appointment_store import AppointmentReader, SqlAppointments, open_mongo_appointments
from careslot.auditor.sql_store import SqlStore, open_engine
from careslot.services import PACKAGES
from notify_svc.settings import split_list
from shared.contracts.identity import Service
from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock, system_clock
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.leases import LEASE_DURATION

SERVICES_WITH_STORE = [service for service in PACKAGES if service is not Service.GATEWAY]
BUS_FILE = "bus.db"
OFFSETS_VARIABLE = "NOTIFY_REMINDER_OFFSETS_MINUTES"
MAX_NAMED_MESSAGES = 500


class StoresUnreadable(Exception):
    """Raised when a store is missing or does not answer; the text names it."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of an installation. `bus` is the file of the embedded event bus; None where the broker is a server.

    `now` is the clock that says how long work has waited. `clinic_offsets` are the minutes before a visit at which the clinic reminds where
    its settings say nothing, None if the environment does not have them.

    The events in the queue of a broker cannot be listed without consuming them, so there the age of an event decides whether it may still
    wait.
    """

    sql: Mapping[Service, SqlStore]
    appointments: AppointmentReader
    bus: SqlStore | None
    now: Clock
    clinic_offsets: tuple[int, ...] | None = None

    @property
    def knows_queues(self) -> bool:
        """True if the events in the queue of a service can be listed."""
        return self.bus is not None

    async def list_queued(self, service: Service, message_ids: Collection[str]) -> set[str]:
        """Return which of some messages wait in the queue of a service; none where queues cannot be listed."""
        waiting, wanted = set[str](), sorted(message_ids)
        for first in range(0, len(wanted) if self.bus else 0, MAX_NAMED_MESSAGES):
            assert self.bus is not None
            names = {f"m{number}": message_id for number, message_id in enumerate(wanted[first : first + MAX_NAMED_MESSAGES])}
            places = ", ".join(f":{name}" for name in names)
            query = text(f"SELECT message_id FROM deliveries WHERE queue = :queue AND message_id IN ({places})")
            async with self.bus.snapshot() as connection:
                waiting |= set((await connection.execute(query, {"queue": service.value, **names})).scalars())
        return waiting


def infrastructure_of(service: Service) -> InfrastructureTables:
    """Return the tables of outbox, inbox, dead letters and leases of a service."""
    tables: InfrastructureTables = importlib.import_module(f"{PACKAGES[service]}.repository.tables").INFRASTRUCTURE
    return tables


def open_folder(path: Path, now: Clock = system_clock) -> AbstractAsyncContextManager[Stores]:
    """Open the stores of an embedded installation, which may run meanwhile. Raises StoresUnreadable."""
    files = {service: path / f"{service.prefix.lower()}.db" for service in SERVICES_WITH_STORE}
    urls: dict[Service, str] = {service: f"sqlite+aiosqlite:///{file.resolve()}" for service, file in files.items()}
    return open_stores(urls, now, bus=f"sqlite+aiosqlite:///{(path / BUS_FILE).resolve()}")


def open_configured(now: Clock = system_clock) -> AbstractAsyncContextManager[Stores]:
    """Open the stores that the environment names. Raises StoresUnreadable if it does not name all of them."""
    urls: dict[Service, str] = {service: os.environ.get(f"{service.prefix}_DATABASE_URL", "") for service in SERVICES_WITH_STORE}
    return open_stores(urls, now)


@asynccontextmanager
async def open_stores(urls: Mapping[Service, str], now: Clock, *, bus: str | None = None) -> AsyncIterator[Stores]:
    """Open the stores with these URLs, and the file of the embedded bus if there is one. Raises StoresUnreadable."""
    missing = [f"{service.prefix}_DATABASE_URL" for service in SERVICES_WITH_STORE if not urls.get(service)]
    if missing:
        raise StoresUnreadable(f"not set: {', '.join(missing)}")
    async with AsyncExitStack() as stack:
        sql = {service: await _open_sql(service.value, url, stack) for service, url in urls.items() if not url.startswith("mongodb")}
        queues = await _open_sql("the event bus", bus, stack) if bus is not None else None
        if Service.APPOINTMENT in sql:
            appointments = AppointmentReader(SqlAppointments(sql[Service.APPOINTMENT]))
        else:
            appointments = await _open_mongo(urls[Service.APPOINTMENT], stack)
        yield Stores(sql, appointments, queues, await _product_clock(sql, now), _clinic_offsets())


def _clinic_offsets() -> tuple[int, ...] | None:
    """Return the offsets in minutes that the environment names. Raises StoresUnreadable for a value that is no list of numbers."""
    value = os.environ.get(OFFSETS_VARIABLE)
    try:
        return None if value is None else tuple(int(offset) for offset in split_list(value))
    except ValueError:
        raise StoresUnreadable(f"{OFFSETS_VARIABLE} must be a list of minutes") from None


async def _product_clock(sql: Mapping[Service, SqlStore], now: Clock) -> Clock:
    """Return the clock of the product. It differs from `now` only if it was moved ahead, which development allows.

    The ends of the leases show that: instances extend their leases all the time, by LEASE_DURATION of their clock.
    """
    ahead = timedelta()
    for service, store in sql.items():
        leases = infrastructure_of(service).leases
        newest = (await store.fetch(select(func.max(leases.c.until))))[0][0]
        if newest is not None:
            ahead = max(ahead, newest - LEASE_DURATION - now())
    return (lambda: now() + ahead) if ahead > LEASE_DURATION else now


async def _open_sql(name: str, url: str, stack: AsyncExitStack) -> SqlStore:
    """Open a database and try it, so that one that does not answer is named at once."""
    _require_file(name, url)
    engine = open_engine(url)
    stack.push_async_callback(engine.dispose)
    try:
        async with SqlStore(engine).snapshot() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise StoresUnreadable(f"the store of {name} cannot be read: {type(error).__name__}") from None
    return SqlStore(engine)


def _require_file(name: str, url: str) -> None:
    """Raise StoresUnreadable if the URL is that of a file which does not exist."""
    file = Path(url.partition(":///")[2])
    if url.startswith("sqlite") and not file.is_file():
        raise StoresUnreadable(f"the store of {name} cannot be read: there is no file {file}")


async def _open_mongo(url: str, stack: AsyncExitStack) -> AppointmentReader:
    """Open the database of appointments and try it."""
    try:
        reader = AppointmentReader(await stack.enter_async_context(open_mongo_appointments(url)))
        await reader.source.read_newest_change_us()
    except Unavailable:
        raise StoresUnreadable(f"the store of {Service.APPOINTMENT} cannot be read: it does not answer") from None
    return reader
