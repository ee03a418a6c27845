"""The leases of a service in a table of its own database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, or_, update

from shared.kit.clock import Clock
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.leases import TERM
from shared.kit.sql import Database, insert_if_absent


@dataclass(slots=True)
class SqlLeases:
    """A row per lease; whoever's update matches holds it."""

    database: Database
    tables: InfrastructureTables
    now: Clock

    async def acquire(self, name: str, holder: str) -> bool:
        table, now = self.tables.leases, self.now()
        mine = (
            update(table)
            .where(table.c.name == name, or_(table.c.holder == holder, table.c.until < now))
            .values(holder=holder, until=now + TERM)
        )
        async with self.database.write() as connection:
            if (await connection.execute(mine)).rowcount:
                return True
            return await insert_if_absent(connection, insert(table).values(name=name, holder=holder, until=now + TERM))

    async def release_all(self, holder: str) -> None:
        async with self.database.write() as connection:
            await connection.execute(delete(self.tables.leases).where(self.tables.leases.c.holder == holder))
