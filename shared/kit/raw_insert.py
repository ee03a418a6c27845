"""Hot INSERTs, written out and handed to the driver as they are.

For rows of ids, numbers, instants and plain words, which need no quoting: putting such a statement through SQLAlchemy costs
three times what the driver does for it. Errors come as SQLAlchemy would raise them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pymysql import err
from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

LITERALS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    bool: lambda value: "1" if value else "0",
    int: str,
    UUID: lambda value: f"'{value.hex}'",
    datetime: lambda value: f"'{value.astimezone(UTC).replace(tzinfo=None)}'",
}


def literal(value: object) -> str:
    """A value as it stands in SQL; TypeError for one that would need quoting."""
    if known := LITERALS.get(type(value)):
        return known(value)
    if isinstance(value, str) and value.isidentifier() and value.isascii():
        return f"'{value}'"
    raise TypeError(f"{type(value).__name__} must be bound")


def insert_statement(table: Table, row: Mapping[str, object]) -> str:
    """The INSERT of one row."""
    return f"{_into(table, tuple(row))} ({', '.join(map(literal, row.values()))})"


@lru_cache
def _into(table: Table, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(f'`{name}`' for name in columns)}) VALUES"


async def execute_statements(connection: AsyncConnection, statements: Iterable[str]) -> None:
    """Runs statements in the connection's transaction, in one round trip where the driver can."""
    if connection.dialect.name == "sqlite":
        for statement in statements:
            await connection.exec_driver_sql(statement)
        return
    written = ";".join(statements)
    if not written:
        return
    inner = connection.sync_connection
    assert inner is not None
    if not inner.in_transaction():
        inner.begin()  # says nothing to the server: the first statement begins
    driver: Any = inner.connection.driver_connection
    try:
        async with driver.cursor() as cursor:
            await cursor.execute(written)
            while await cursor.nextset():
                pass
    except err.IntegrityError as error:
        raise IntegrityError(None, None, error) from error
    except err.OperationalError as error:
        if driver.closed:
            await connection.invalidate(error)
        raise OperationalError(None, None, error) from error
