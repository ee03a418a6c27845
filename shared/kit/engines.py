"""SQLAlchemy engines: SQLite with its pragmas, MySQL with its session variables."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

WRITER_CONNECTIONS, READER_CONNECTIONS = 24, 8
SESSION_VARIABLES = "SET SESSION innodb_lock_wait_timeout=3, time_zone='+00:00', sql_mode='TRADITIONAL', group_concat_max_len=16777216"


class RollbackOnClose(sqlite3.Connection):
    """Rolls back before it closes.

    sqlite3 keeps a closed connection open until its last cursor is collected, and a cancelled statement leaves such a cursor behind. Until
    then the transaction would hold the database's write lock.
    """

    def close(self) -> None:
        self.rollback()
        super().close()


def create_sqlite_engine(url: str, begin: str, connections: int) -> AsyncEngine:
    """Return an engine whose transactions start with `begin`: "BEGIN", or "BEGIN IMMEDIATE" to take the write lock at once.

    A connection is not reset after its use, because `Database` ends every transaction. A job that is cancelled during the reset would make
    SQLAlchemy log the cancellation as an error.
    """
    engine = create_async_engine(
        url,
        hide_parameters=True,  # the text of an error has no values of rows
        pool_size=connections,
        max_overflow=0,
        pool_timeout=5,
        pool_reset_on_return=None,
        connect_args={"timeout": 5, "factory": RollbackOnClose},
    )

    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions itself
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=5000",
            "cache_size=-2000",
            "secure_delete=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", set_pragmas)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def create_mysql_engine(url: str, isolation: str, connections: int) -> AsyncEngine:
    """Return an engine for a server that speaks the MySQL protocol.

    A connection is neither tested before use nor reset after it, which saves two of the five round trips of a short transaction. When a
    connection was lost in the pool, its first statement fails and `Database` raises TransactionAborted. A reset is not needed, because
    `Database` ends every transaction.
    """
    return create_async_engine(
        url,
        isolation_level=isolation,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=2,
        pool_recycle=300,
        pool_reset_on_return=None,
        connect_args={"charset": "utf8mb4", "connect_timeout": 3, "local_infile": False, "init_command": SESSION_VARIABLES},
    )
