"""How a SQL transaction begins and ends, and which exceptions its failures raise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.contracts.refusals import Unavailable
from shared.kit.deadlines import remaining_seconds
from shared.kit.retry import TransactionAborted

MAX_TRANSACTION_SECONDS = 10
# Error numbers of MySQL and its client library.
DEADLOCK, LOCK_WAIT_TIMEOUT = 1213, 1205
CANNOT_CONNECT = frozenset({2002, 2003})
CONNECTION_LOST = frozenset({1053, 1927, 2006, 2013, 4031})


@asynccontextmanager
async def open_transaction(engine: AsyncEngine, slots: asyncio.Semaphore) -> AsyncIterator[AsyncConnection]:
    """Run one transaction on a connection of the pool, within the caller's deadline.

    The semaphore has as many slots as the pool has connections, and serves waiting tasks in order. The pool alone does not: new tasks
    overtake waiting ones until these time out.

    Commit and rollback are called explicitly, because SQLAlchemy's context managers cost as much as a statement.
    """
    is_committing = False
    try:
        async with asyncio.timeout(remaining_seconds(MAX_TRANSACTION_SECONDS)), slots:
            connection = await engine.connect()
            try:
                yield connection
                is_committing = True
                await connection.run_sync(_commit_and_close)
            except BaseException:
                # This includes cancellation. The shield lets the rollback finish when this task is cancelled a second time.
                await asyncio.shield(_roll_back_and_close(connection))
                raise
    except (PoolTimeout, TimeoutError, OSError):
        raise Unavailable("The database does not answer.", retry_after=1) from None
    except DBAPIError as error:
        raise _exception_for(error, is_committing) from error


def _commit_and_close(connection: Connection) -> None:
    """Commit and close in one `run_sync`, because each `run_sync` starts a greenlet."""
    connection.commit()
    connection.close()


async def _roll_back_and_close(connection: AsyncConnection) -> None:
    """Roll back and return the connection to the pool, or invalidate it so that the pool opens a new one.

    The rollback fails when the server has closed the connection, and after a cancelled statement, because the driver then closes it.
    """
    if connection.closed:
        return
    try:
        await connection.rollback()
    except Exception:
        await connection.invalidate()
    await connection.close()


def _exception_for(error: DBAPIError, is_committing: bool) -> Exception:
    """Return what to raise for an error of the driver: TransactionAborted, Unavailable, or the error itself.

    TransactionAborted means that nothing was written, so the transaction may run again: the server chose it as the victim of a deadlock,
    waited too long for a lock, or lost the connection before COMMIT was sent. When the connection is lost during COMMIT, the outcome is
    unknown; running the transaction again could apply it twice, so the caller gets Unavailable.
    """
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None  # SQLite has a message in its place
    cannot_connect = number in CANNOT_CONNECT or "unable to open" in str(number)
    is_lost = error.connection_invalidated or number in CONNECTION_LOST
    if number in (DEADLOCK, LOCK_WAIT_TIMEOUT) or "database is locked" in str(number):
        return TransactionAborted(str(number))
    if is_lost and not cannot_connect and not is_committing:
        return TransactionAborted(str(number))
    if is_lost or cannot_connect:
        return Unavailable("The database does not answer.", retry_after=1)
    return error
