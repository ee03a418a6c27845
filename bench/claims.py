"""Compares claims a second on MariaDB with raw multi-row INSERTs of the same grains: `.venv/bin/python -m bench.claims`.

Each write inserts 8 grains of a doctor and 6 of a patient and commits. 32 tasks share 24 connections, and the slots are spread over 200
doctors. The raw INSERTs go directly to the driver: once with the grains alone, and once with the row of the claim too, which a claim also
writes. The writers take turns in every round, and the medians are compared: for a server that flushes its log at each commit, as in
production, and for a server that flushes it once a second, as in the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import aiomysql
from sqlalchemy.engine import make_url

from bench.databases import create_mysql_database
from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.repository.claims import to_row
from shared.kit.migrations import migrate
from shared.kit.retry import retry_transaction
from shared.kit.sql import Database

DOCTORS = [uuid4() for _ in range(200)]
SERVICE = uuid4()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LENGTH, BEFORE, AFTER = 6, 1, 1
TASKS = 32
RAW = "INSERT INTO raw_grains (resource_id, grain, lane, claim_id) VALUES " + ",".join(["(%s,%s,%s,%s)"] * (2 * LENGTH + BEFORE + AFTER))
COLUMNS = [*to_row(Claim(SERVICE, 1, None)), "changed_at"]
RAW_CLAIM = f"INSERT INTO raw_claims ({', '.join(f'`{name}`' for name in COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"
Write = Callable[[BookedSlot], Awaitable[None]]


def generate_slots() -> Iterator[BookedSlot]:
    """Yield slots that do not overlap; consecutive ones are with different doctors."""
    for number in count():
        start = 6_000_000 + number // len(DOCTORS) * (LENGTH + BEFORE + AFTER)
        visit, span = range(start, start + LENGTH), range(start - BEFORE, start + LENGTH + AFTER)
        yield BookedSlot(SERVICE, DOCTORS[number % len(DOCTORS)], uuid4(), visit, span)


async def writes_per_second(write: Write, requested: Iterator[BookedSlot], seconds: float) -> float:
    """Return the writes per second."""
    end_at, writes = time.perf_counter() + seconds, 0

    async def run_task() -> None:
        nonlocal writes
        while time.perf_counter() < end_at:
            await write(next(requested))
            writes += 1

    started_at = time.perf_counter()
    await asyncio.gather(*(run_task() for _ in range(TASKS)))
    return writes / (time.perf_counter() - started_at)


def claim_writer(store: SqlCalendarStore) -> Write:
    async def save(claim: Claim) -> None:
        async with store.begin() as tx:
            await tx.save_claim(claim, None)

    async def write(slot: BookedSlot) -> None:
        claim = Claim(uuid4(), 1, slot)
        await retry_transaction(lambda: save(claim))

    return write


def raw_writer(pool: Any, *, with_claim: bool = False) -> Write:
    """Return a write of grains by raw INSERT; with `with_claim`, also of the row of the claim."""

    async def write(slot: BookedSlot) -> None:
        claim = uuid4()
        rows: list[Any] = []
        for resource_id, grain in slot.grains():
            rows += (resource_id.hex, grain, 0, claim.hex)
        async with pool.acquire() as connection, connection.cursor() as cursor:
            if with_claim:
                await cursor.execute(RAW_CLAIM, _driver_values(to_row(Claim(claim, 1, slot))))
            await cursor.execute(RAW, rows)
            await connection.commit()

    return write


def _driver_values(row: dict[str, Any]) -> list[Any]:
    return [value.hex if isinstance(value, UUID) else value for value in row.values()] + [NOW.replace(tzinfo=None)]


@asynccontextmanager
async def open_raw_pool(url: str) -> AsyncIterator[Any]:
    """Open a pool of driver connections to a database that also has tables for the raw rows."""
    migrate("scheduling_svc", url)
    address = make_url(url)
    pool = await aiomysql.create_pool(
        host=address.host,
        port=address.port,
        user=address.username,
        password=address.password or "",
        db=address.database,
        minsize=24,
        maxsize=24,
    )
    await execute_all(pool, "CREATE TABLE raw_grains LIKE claim_grains", "CREATE TABLE raw_claims LIKE claims")
    try:
        yield pool
    finally:
        await execute_all(pool, "SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        pool.close()
        await pool.wait_closed()


async def execute_all(pool: Any, *statements: str) -> None:
    async with pool.acquire() as connection, connection.cursor() as cursor:
        for statement in statements:
            await cursor.execute(statement)


async def measure(url: str, rounds: int, seconds: float, flush: int) -> None:
    async with open_raw_pool(url) as pool, Database(url) as database:
        await execute_all(pool, f"SET GLOBAL innodb_flush_log_at_trx_commit = {flush}")
        rows = generate_slots()
        writers = {
            "raw grains": (raw_writer(pool), rows),
            "raw claim and grains": (raw_writer(pool, with_claim=True), rows),
            "claim": (claim_writer(SqlCalendarStore(database, lambda: NOW)), generate_slots()),
        }
        rates_by_name: dict[str, list[float]] = {name: [] for name in writers}
        for number in range(rounds + 1):
            for name, (write, requested) in writers.items():
                measured = await writes_per_second(write, requested, seconds)
                if number:
                    rates_by_name[name].append(measured)
    medians = {name: statistics.median(rates) for name, rates in rates_by_name.items()}
    for name, rates in rates_by_name.items():
        print(f"{name:20} median {medians[name]:8.0f}/s   {' '.join(f'{rate:.0f}' for rate in rates)}")
    for name in ("raw grains", "raw claim and grains"):
        print(f"claim / {name} = {medians['claim'] / medians[name]:.2f}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    for flush, interval in ((1, "at each commit"), (2, "once a second")):
        print(f"the log is flushed {interval}")
        async with create_mysql_database() as url:
            await measure(url, options.rounds, options.seconds, flush)


if __name__ == "__main__":
    asyncio.run(main())
