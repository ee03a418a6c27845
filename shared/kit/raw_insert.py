"""INSERT statements as text that go to the driver without SQLAlchemy's compiler, for tables that are written very often.

An INSERT through SQLAlchemy takes three times as long as the driver alone. Errors are raised as SQLAlchemy raises them.
`insert_statement` accepts only values that need no quoting: ids, numbers, instants and plain words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pymysql import err
from pymysql.converters import escape_string
from sqlalchemy import JSON, Insert, Table, insert
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

LITERALS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    bool: lambda value: "1" if value else "0",
    int: str,
    UUID: lambda value: f"'{value.hex}'",
    datetime: lambda value: f"'{value.astimezone(UTC).replace(tzinfo=None)}'",
}


def sql_literal(value: object) -> str:
    """Return the value as SQL text. Raises TypeError for a value that would need quoting."""
    if to_text := LITERALS.get(type(value)):
        return to_text(value)
    if isinstance(value, str) and value.isidentifier() and value.isascii():
        return f"'{value}'"
    raise TypeError(f"{type(value).__name__} must be bound")


def insert_statement(table: Table, row: Mapping[str, object]) -> str:
    """Return the INSERT of one row."""
    return f"{_insert_into(table, tuple(row))} ({', '.join(map(sql_literal, row.values()))})"


@lru_cache
def _insert_into(table: Table, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(f'`{name}`' for name in columns)}) VALUES"


async def insert_together(connection: AsyncConnection, rows: Sequence[tuple[Table, Mapping[str, object]]]) -> None:
    """Insert rows into several tables, in one round trip on MySQL.

    Raises IntegrityError if a row with one of the keys exists. Some rows may have been inserted then, so the caller rolls back.
    """
    if connection.dialect.name == "sqlite":
        for table, row in rows:
            await connection.execute(_insert_of(table), row)
        return
    await execute_statements(connection, [_quoted_insert(table, row) for table, row in rows])


@lru_cache
def _insert_of(table: Table) -> Insert:
    return insert(table)


def _quoted_insert(table: Table, row: Mapping[str, object]) -> str:
    """Return the INSERT of one row as text for MySQL, with texts quoted as the driver quotes them."""
    columns = [table.c[key] for key in row]
    literals = [_quoted_literal(row[column.key], is_json=isinstance(column.type, JSON)) for column in columns]
    return f"{_insert_into(table, tuple(column.name for column in columns))} ({', '.join(literals)})"


def _quoted_literal(value: object, *, is_json: bool) -> str:
    if is_json:
        return f"'{escape_string(json.dumps(value))}'"
    return f"'{escape_string(value)}'" if isinstance(value, str) else sql_literal(value)


async def execute_statements(connection: AsyncConnection, statements: Iterable[str]) -> None:
    """Execute the statements in the connection's transaction: one by one on SQLite, in one round trip on MySQL."""
    if connection.dialect.name == "sqlite":
        for statement in statements:
            await connection.exec_driver_sql(statement)
        return
    script = ";".join(statements)
    if not script:
        return
    sync_connection = connection.sync_connection
    assert sync_connection is not None
    if not sync_connection.in_transaction():
        sync_connection.begin()  # only SQLAlchemy needs this; on the server the first statement begins the transaction
    driver: Any = sync_connection.connection.driver_connection
    try:
        async with driver.cursor() as cursor:
            await cursor.execute(script)
            while await cursor.nextset():
                pass
    except err.IntegrityError as error:
        raise IntegrityError(None, None, error) from error
    except err.OperationalError as error:
        if driver.closed:
            await connection.invalidate(error)
        raise OperationalError(None, None, error) from error
