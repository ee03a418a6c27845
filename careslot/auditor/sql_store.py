"""Reading the SQL database of a service. No privilege to write is needed, and nothing can be written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, event, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

PAGE_LENGTH = 200
MAX_VALUES = 1000
"""SQLite and MySQL limit the number of values in a statement."""
TIMEOUT_SECONDS = 30
READ_ONLY = "SET SESSION TRANSACTION READ ONLY"


def open_engine(url: str) -> AsyncEngine:
    """Return an engine that can only read. A file of SQLite is opened with `mode=ro`, so that it is never created either."""
    if url.startswith("sqlite"):
        return _open_file(url)
    return create_async_engine(
        url,
        isolation_level="REPEATABLE READ",
        hide_parameters=True,
        pool_size=1,
        max_overflow=1,
        connect_args={"charset": "utf8mb4", "connect_timeout": TIMEOUT_SECONDS, "init_command": READ_ONLY},
    )


def _open_file(url: str) -> AsyncEngine:
    path = url.partition(":///")[2]
    engine = create_async_engine(
        f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true",
        hide_parameters=True,
        connect_args={"timeout": TIMEOUT_SECONDS},
    )

    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions itself
        connection.execute("PRAGMA query_only=ON")

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


async def select_in(connection: AsyncConnection, query: Select[Any], column: Column[Any], values: Iterable[Any]) -> list[Any]:
    """Return the rows of a query in which a column has one of some values, which are sent MAX_VALUES at a time."""
    wanted, rows = list(dict.fromkeys(values)), list[Any]()
    for first in range(0, len(wanted), MAX_VALUES):
        rows += (await connection.execute(query.where(column.in_(wanted[first : first + MAX_VALUES])))).all()
    return rows


@dataclass(frozen=True, slots=True)
class SqlStore:
    """The database of one service."""

    engine: AsyncEngine

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction whose statements all see the same state."""
        async with self.engine.connect() as connection:
            yield connection
            await connection.rollback()

    async def fetch(self, query: Select[Any]) -> Sequence[Any]:
        """Return the rows of one query."""
        async with self.snapshot() as connection:
            rows: Sequence[Any] = (await connection.execute(query)).all()
        return rows

    async def fetch_in(self, columns: Iterable[Column[Any]], column: Column[Any], values: Iterable[Any]) -> Sequence[Any]:
        """Return the rows in which a column has one of some values."""
        async with self.snapshot() as connection:
            return await select_in(connection, select(*columns), column, values)

    async def values(self, column: Column[Any], *conditions: ColumnElement[bool], length: int = PAGE_LENGTH) -> AsyncIterator[list[Any]]:
        """Yield the different values of an indexed column in pages, in their order, from the rows that satisfy the conditions."""
        last: Any = None
        while True:
            later = [column > last] if last is not None else []
            query = select(column).where(*later, *conditions).distinct().order_by(column).limit(length)
            page = [row[0] for row in await self.fetch(query)]
            if page:
                yield page
            if len(page) < length:
                return
            last = page[-1]
