"""How each SQL server is opened: SQLite with its pragmas, MySQL with its session."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECTIONS, READERS = 24, 8
SESSION = "SET SESSION innodb_lock_wait_timeout=3, time_zone='+00:00', sql_mode='TRADITIONAL', group_concat_max_len=16777216"


class RollbackOnClose(sqlite3.Connection):
    """Gives its lock back when it is closed: a cancelled statement would keep it, and the closed connection, until it is collected."""

    def close(self) -> None:
        self.rollback()
        super().close()


def sqlite(url: str, begin: str, connections: int) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=connections, max_overflow=0, pool_timeout=5, connect_args={"timeout": 5, "factory": RollbackOnClose}
    )

    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000", "cache_size=-2000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def mysql(url: str, isolation: str, connections: int) -> AsyncEngine:
    """A connection is neither tried before use nor reset after it, which would be two of five round trips of a short transaction: one that
    was lost meanwhile is noticed by its first statement (Aborted), and `Database` ends every transaction itself."""
    return create_async_engine(
        url,
        isolation_level=isolation,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=2,
        pool_recycle=300,
        pool_reset_on_return=None,
        connect_args={"charset": "utf8mb4", "connect_timeout": 3, "local_infile": False, "init_command": SESSION},
    )
