"""SQL for every service: one `Database` over SQLite (one writer, readers beside it) or MySQL, short transactions, aware UTC times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import Connection, DateTime, Dialect, Insert, String, Text, TypeDecorator, Uuid, text
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts.refusals import Unavailable
from shared.kit import engines
from shared.kit.deadlines import remaining_seconds
from shared.kit.retry import TransactionAborted, retry_transaction

DEADLINE_SECONDS = 10
DEADLOCK, LOCK_WAIT, ABSENT, LOST = 1213, 1205, frozenset({2002, 2003}), frozenset({1053, 1927, 2006, 2013, 4031})


class UtcDateTime(TypeDecorator[datetime]):
    """Aware instants, kept in UTC to the microsecond; a naive one is a bug and raises."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if dialect.name == "mysql" else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None else None


Id = Uuid(native_uuid=False)
MediumText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def binary_string(length: int) -> String:
    """A string compared byte by byte, on every server."""
    return String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


class Database:
    """A service's own database. `write()` is one transaction, in which MySQL shows with every statement what was committed until then;
    all statements of a `read()` see one moment."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        writers, readers = 1 if self.is_sqlite else engines.CONNECTIONS, engines.READERS
        if self.is_sqlite:
            self._writer, self._reader = engines.sqlite(url, "BEGIN IMMEDIATE", writers), engines.sqlite(url, "BEGIN", readers)
        else:
            self._writer, self._reader = engines.mysql(url, "READ COMMITTED", writers), engines.mysql(url, "REPEATABLE READ", readers)
        self._to_write, self._to_read = asyncio.Semaphore(writers), asyncio.Semaphore(readers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._writer.dispose()
        await self._reader.dispose()

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Commits on leaving, rolls back on any exception; Aborted when the database wants it done again."""
        return _opened(self._writer, self._to_write)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return _opened(self._reader, self._to_read)

    async def check(self) -> None:
        """For readiness; a connection that was lost meanwhile is replaced."""
        await retry_transaction(self._answers, attempts=3)

    async def _answers(self) -> None:
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))


@asynccontextmanager
async def _opened(engine: AsyncEngine, places: asyncio.Semaphore) -> AsyncIterator[AsyncConnection]:
    """One transaction. Whoever waits for a place has it in turn: the pool alone lets newcomers past those who wait, until these give up.

    Its end is written out: SQLAlchemy's own takes a task and half a dozen turns of the loop, as much as a statement.
    """
    committing = False
    try:
        async with asyncio.timeout(remaining_seconds(DEADLINE_SECONDS)), places:
            connection = await engine.connect()
            try:
                yield connection
                committing = True
                await connection.run_sync(_ended)
            except BaseException:
                await asyncio.shield(_abandoned(connection))
                raise
    except (PoolTimeout, TimeoutError, OSError):
        raise Unavailable("The database does not answer.", retry_after=1) from None
    except DBAPIError as error:
        raise _translated(error, committing) from error


def _ended(connection: Connection) -> None:
    """In one turn, for SQLAlchemy takes each of its own in a greenlet."""
    connection.commit()
    connection.close()


async def _abandoned(connection: AsyncConnection) -> None:
    """Undone and given back; one that cannot even do that, for the driver closes what was cancelled, is thrown away."""
    if connection.closed:
        return
    try:
        await connection.rollback()
    except Exception:
        await connection.invalidate()
    await connection.close()


def _translated(error: DBAPIError, committing: bool) -> Exception:
    """What was lost before the commit was not done, and is done again; nobody knows that of what was lost with it."""
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None
    lost = error.connection_invalidated or number in LOST
    if number in (DEADLOCK, LOCK_WAIT) or "database is locked" in str(number) or (lost and number not in ABSENT and not committing):
        return TransactionAborted(str(number))
    if lost or number in ABSENT or "unable to open" in str(number):
        return Unavailable("The database does not answer.", retry_after=1)
    return error


async def insert_if_absent(connection: AsyncConnection, statement: Insert) -> bool:
    """Runs an INSERT; False when its key is taken already (the transaction goes on)."""
    try:
        await connection.execute(statement)
    except IntegrityError:
        return False
    return True
