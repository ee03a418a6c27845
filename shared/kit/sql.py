"""SQL for every service: short transactions on SQLite (one writer and several readers) or MySQL, and column types."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import DateTime, Dialect, Insert, String, Text, TypeDecorator, Uuid, text
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.kit.engines import READER_CONNECTIONS, WRITER_CONNECTIONS, create_mysql_engine, create_sqlite_engine
from shared.kit.retry import retry_transaction
from shared.kit.sql_transaction import open_transaction


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes, stored in UTC to the microsecond. Raises ValueError for a naive one."""

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
"""A UUID as 32 hexadecimal digits, the same on every server."""
MediumText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
"""Text of up to 16 MB; MySQL's TEXT holds 64 KB."""


def binary_string(length: int) -> String:
    """Return a string type that every server compares byte by byte, so that "Ann" and "ann" differ."""
    return String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


class Database:
    """A service's own database.

    Isolation on MySQL: in `write()`, each statement sees what is committed when the statement starts (READ COMMITTED); in `read()`, all
    statements see one snapshot (REPEATABLE READ). On SQLite both see one snapshot, and at most one `write()` runs at a time.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        writers, readers = 1 if self.is_sqlite else WRITER_CONNECTIONS, READER_CONNECTIONS
        if self.is_sqlite:
            self._writer = create_sqlite_engine(url, "BEGIN IMMEDIATE", writers)
            self._reader = create_sqlite_engine(url, "BEGIN", readers)
        else:
            self._writer = create_mysql_engine(url, "READ COMMITTED", writers)
            self._reader = create_mysql_engine(url, "REPEATABLE READ", readers)
        self._writer_slots, self._reader_slots = asyncio.Semaphore(writers), asyncio.Semaphore(readers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._writer.dispose()
        await self._reader.dispose()

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction that commits on leaving and rolls back on any exception.

        Raises TransactionAborted when the database rolled it back and it may be run again, Unavailable when the database does not answer.
        """
        return open_transaction(self._writer, self._writer_slots)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction for reading. Raises as `write` does."""
        return open_transaction(self._reader, self._reader_slots)

    async def empty_log(self) -> None:
        """Empty the write-ahead log of SQLite, which has pages as they were before rows were deleted. Elsewhere nothing happens.

        The log stays while a reader needs it; a later call empties it.
        """
        if self.is_sqlite:
            async with self._writer_slots, self._writer.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection  # outside of any transaction
                assert driver is not None
                cursor = await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                await cursor.close()

    async def check(self) -> None:
        """Raise Unavailable when the database does not answer. A connection that was lost since its last use is replaced."""
        await retry_transaction(self._select_1, attempts=3)

    async def _select_1(self) -> None:
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))


async def insert_if_absent(
    connection: AsyncConnection, statement: Insert, row: Mapping[str, Any] | list[Mapping[str, Any]] | None = None
) -> bool:
    """Run an INSERT. Returns False when a row with its key exists already; the transaction goes on in both cases.

    A statement that is built once and run with a `row` costs a third of one that is built with its values.
    """
    try:
        await connection.execute(statement, row)
    except IntegrityError:
        return False
    return True
