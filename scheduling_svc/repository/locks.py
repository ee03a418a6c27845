"""Locks: a transaction acquires a lock before it counts rows, so that the number stays the same until it commits."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.ports import LostRace
from scheduling_svc.repository.tables import LOCKS

ACQUIRE = update(LOCKS).where(LOCKS.c.id == bindparam("key")).values(taken=LOCKS.c.taken + 1)


class LockWriter:
    """Acquires locks; they are released when the transaction ends."""

    connection: AsyncConnection

    async def lock(self, *keys: UUID) -> None:
        """Acquire locks in the order of their keys, so that two transactions never wait for each other."""
        for key in sorted(keys):
            if not (await self.connection.execute(ACQUIRE, {"key": key})).rowcount:
                try:
                    await self.connection.execute(insert(LOCKS), {"id": key, "taken": 1})
                except IntegrityError:
                    raise LostRace from None

    async def delete_lock(self, key: UUID) -> None:
        """Delete the row of a lock that this transaction has acquired."""
        await self.connection.execute(delete(LOCKS).where(LOCKS.c.id == key))
