"""The leases of a service in a table of its own database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, or_, update

from shared.kit.clock import Clock
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.leases import LEASE_DURATION
from shared.kit.sql import Database, insert_if_absent


@dataclass(slots=True)
class SqlLeases:
    """One row per lease, with its holder and the time at which it expires."""

    database: Database
    tables: InfrastructureTables
    now: Clock

    async def acquire(self, name: str, holder: str) -> bool:
        """Acquire or renew the lease for LEASE_DURATION from now. Returns False when another holder has it."""
        leases, now = self.tables.leases, self.now()
        is_mine_or_expired = or_(leases.c.holder == holder, leases.c.until < now)
        renewed = update(leases).where(leases.c.name == name, is_mine_or_expired).values(holder=holder, until=now + LEASE_DURATION)
        async with self.database.write() as connection:
            if (await connection.execute(renewed)).rowcount:
                return True
            return await insert_if_absent(connection, insert(leases).values(name=name, holder=holder, until=now + LEASE_DURATION))

    async def release_all(self, holder: str) -> None:
        """Release every lease of this holder."""
        async with self.database.write() as connection:
            await connection.execute(delete(self.tables.leases).where(self.tables.leases.c.holder == holder))
