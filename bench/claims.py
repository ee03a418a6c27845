"""Compares claims a second on MariaDB with raw multi-row INSERTs of the same grains: `.venv/bin/python -m bench.claims`.

All of them write 8 grains of a doctor and 6 of a patient and commit, in 32 tasks over 24 connections, spread over 200 doctors. The raw ones
go straight to the driver: once with the grains alone, and once with the row of the claim before them, which a claim writes as well. They
take turns, round after round, and the medians are compared: for a server that flushes its log at each commit, as in production, and for one
that does it once a second, as in the tests.
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

from bench.databases import on_mysql
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


def places() -> Iterator[BookedSlot]:
    """Yield slots that do not overlap; consecutive ones are with different doctors."""
    for number in count():
        start = 6_000_000 + number // len(DOCTORS) * (LENGTH + BEFORE + AFTER)
        visit, span = range(start, start + LENGTH), range(start - BEFORE, start + LENGTH + AFTER)
        yield BookedSlot(SERVICE, DOCTORS[number % len(DOCTORS)], uuid4(), visit, span)


async def rate(write: Write, requested: Iterator[BookedSlot], seconds: float) -> float:
    """Return the writes per second."""
    until, done = time.perf_counter() + seconds, 0

    async def some() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await write(next(requested))
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(TASKS)))
    return done / (time.perf_counter() - began)


def claiming(store: SqlCalendarStore) -> Write:
    async def once(claim: Claim) -> None:
        async with store.begin() as tx:
            await tx.save_claim(claim, None)

    async def write(place: BookedSlot) -> None:
        claim = Claim(uuid4(), 1, place)
        await retry_transaction(lambda: once(claim))

    return write


def raw(pool: Any, *, whole: bool = False) -> Write:
    """Return a write of grains by raw INSERT; with `whole`, the row of the claim is inserted, too."""

    async def write(place: BookedSlot) -> None:
        claim = uuid4()
        rows: list[Any] = []
        for who, grain in place.grains():
            rows += (who.hex, grain, 0, claim.hex)
        async with pool.acquire() as connection, connection.cursor() as cursor:
            if whole:
                await cursor.execute(RAW_CLAIM, _bound(to_row(Claim(claim, 1, place))))
            await cursor.execute(RAW, rows)
            await connection.commit()

    return write


def _bound(row: dict[str, Any]) -> list[Any]:
    return [value.hex if isinstance(value, UUID) else value for value in row.values()] + [NOW.replace(tzinfo=None)]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """Open connections of the driver itself, to a database with tables for the raw rows."""
    migrate("scheduling_svc", url)
    where = make_url(url)
    pool = await aiomysql.create_pool(
        host=where.host, port=where.port, user=where.username, password=where.password or "", db=where.database, minsize=24, maxsize=24
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
    async with connected(url) as pool, Database(url) as database:
        await execute_all(pool, f"SET GLOBAL innodb_flush_log_at_trx_commit = {flush}")
        rows = places()
        writers = {
            "raw grains": (raw(pool), rows),
            "raw claim and grains": (raw(pool, whole=True), rows),
            "claim": (claiming(SqlCalendarStore(database, lambda: NOW)), places()),
        }
        found: dict[str, list[float]] = {name: [] for name in writers}
        for number in range(rounds + 1):
            for name, (write, requested) in writers.items():
                measured = await rate(write, requested, seconds)
                if number:
                    found[name].append(measured)
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    for name, rates in found.items():
        print(f"{name:20} median {medians[name]:8.0f}/s   {' '.join(f'{each:.0f}' for each in rates)}")
    for name in ("raw grains", "raw claim and grains"):
        print(f"claim / {name} = {medians['claim'] / medians[name]:.2f}")


async def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rounds", type=int, default=7)
    given.add_argument("--seconds", type=float, default=2)
    chosen = given.parse_args()
    for flush, when in ((1, "at each commit"), (2, "once a second")):
        print(f"the log is flushed {when}")
        async with on_mysql() as url:
            await measure(url, chosen.rounds, chosen.seconds, flush)


if __name__ == "__main__":
    asyncio.run(main())
