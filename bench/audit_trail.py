"""Compares what a page of the audit trail costs with many lines and with few: `.venv/bin/python -m bench.audit_trail`.

Two databases of admin-service on MariaDB have 10,000 and 10,000,000 lines. For each combination of filters, a page in the middle of the
list is read; both databases take turns, and the medians are compared. Arguments: the number of rounds, and that of the many lines.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from admin_svc.domain.audit import AuditFilter
from admin_svc.repository import SqlAdminStore
from admin_svc.repository.tables import AUDIT_LINES
from bench.databases import create_mysql_database
from shared.kit.migrations import migrate
from shared.kit.sql import Database

FEW, MANY, LIMIT, ACTORS, MOST = 10_000, 10_000_000, 25, 50, 1.5
LINES_OF_A_PERSON = 100
FIRST_AT = datetime(2026, 3, 2, tzinfo=UTC)
ACTIONS = ("profile.read", "medical_history.read", "account.sign_in", "appointment.booked", "appointment.cancelled")
IDS = ("id", "subject_id")
MIXED = {*IDS, "at", "position"}
"""The columns in which a copied line differs from the one it is copied from."""


def line(number: int) -> dict[str, Any]:
    """Return the row of one of the first FEW lines. Copies of it have other subjects, so that a person has LINES_OF_A_PERSON lines."""
    return {
        "id": UUID(int=number + 1),
        "at": FIRST_AT + timedelta(seconds=number),
        "actor_id": UUID(int=number % ACTORS),
        "actor_role": "doctor",
        "action": ACTIONS[number // ACTORS % len(ACTIONS)],
        "subject_id": UUID(int=number % (FEW // LINES_OF_A_PERSON)),
        "relation": "treating_doctor",
        "outcome": "done",
        "row_id": None,
        "request_id": None,
        "source": "patient-service",
        "recorded_at": FIRST_AT,
        "state_before": None,
        "state_after": None,
        "day": FIRST_AT.date(),
        "position": number + 1,
        "hash": "0" * 64,
    }


async def open_trail(stack: AsyncExitStack, count: int) -> SqlAdminStore:
    """Return the store of a new database with so many lines, a line a second."""
    url = await stack.enter_async_context(create_mysql_database())
    migrate("admin_svc", url)
    database = await stack.enter_async_context(Database(url))
    async with database.write() as connection:
        await connection.execute(sa.insert(AUDIT_LINES), [line(number) for number in range(FEW)])
    for copied in range(1, count // FEW):
        async with database.write() as connection:
            await connection.execute(sa.text(_copying_statement()), {"moved": copied * FEW})
    async with database.write() as connection:
        await connection.execute(sa.text("ANALYZE TABLE audit_lines"))
    return SqlAdminStore(database, lambda: FIRST_AT)


def _copying_statement() -> str:
    """Return the statement that copies the first FEW lines to a later time, about other people."""
    same = ", ".join(column.name for column in AUDIT_LINES.c if column.name not in MIXED)
    moved_id, moved_subject = (f"CONCAT(SUBSTRING({name}, 1, 8), LPAD(HEX(:moved), 8, '0'), SUBSTRING({name}, 17))" for name in IDS)
    return (
        f"INSERT INTO audit_lines (id, subject_id, at, position, {same}) SELECT {moved_id}, {moved_subject}, at + INTERVAL :moved SECOND,"
        f" position + :moved, {same} FROM audit_lines WHERE position <= {FEW}"
    )


def filters(middle: datetime) -> dict[str, AuditFilter]:
    """Return each combination of filters by its name. `middle` is the time of the line in the middle."""
    values: dict[str, dict[str, Any]] = {
        "actor": {"actor_id": UUID(int=7)},
        "action": {"action": ACTIONS[0]},
        "subject": {"subject_ids": (UUID(int=7),)},
        "range": {"since": FIRST_AT, "until": middle},
    }
    chosen = [names for length in range(len(values) + 1) for names in itertools.combinations(values, length)]
    merged = {" ".join(names) or "none": {key: item for name in names for key, item in values[name].items()} for names in chosen}
    return {name: AuditFilter(**fields) for name, fields in merged.items()}


async def seconds_of(store: SqlAdminStore, wanted: AuditFilter, middle: datetime) -> float:
    """Return how long a page in the middle of the list takes."""
    cursor = (middle.isoformat(), str(UUID(int=0)))
    started = time.perf_counter()
    await store.list_lines(wanted, LIMIT + 1, cursor)
    return time.perf_counter() - started


async def main(rounds: int = 50, many_count: int = MANY) -> None:
    """Print a line for each combination of filters."""
    async with AsyncExitStack() as stack:
        stores = {count: await open_trail(stack, count) for count in (FEW, many_count)}
        middles = {count: FIRST_AT + timedelta(seconds=count // 2) for count in stores}
        for name in filters(FIRST_AT + timedelta(seconds=1)):
            times = dict[int, list[float]]()
            for _ in range(rounds):
                for count, store in stores.items():
                    wanted = filters(middles[count])[name]
                    times.setdefault(count, []).append(await seconds_of(store, wanted, middles[count]))
            few_ms, many_ms = (statistics.median(measured) * 1000 for measured in times.values())
            verdict = "" if many_ms <= MOST * few_ms else f"  more than {MOST}"
            print(f"{name:28} {few_ms:8.2f} ms {many_ms:8.2f} ms  {many_ms / few_ms:5.2f}{verdict}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
