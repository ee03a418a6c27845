"""The SQL side of leases and of kept answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, insert, or_, select, update

from shared.kit.clock import Clock
from shared.kit.idempotency import LEASE, IdempotencyKeyReused, RequestInProgress, StoredResponse
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.leases import TERM
from shared.kit.sql import Database, insert_if_absent


@dataclass(slots=True)
class SqlLeases:
    """A row per lease; whoever's update matches holds it."""

    database: Database
    plumbing: InfrastructureTables
    now: Clock

    async def take(self, name: str, holder: str) -> bool:
        table, now = self.plumbing.leases, self.now()
        mine = (
            update(table)
            .where(table.c.name == name, or_(table.c.holder == holder, table.c.until < now))
            .values(holder=holder, until=now + TERM)
        )
        async with self.database.write() as connection:
            if (await connection.execute(mine)).rowcount:
                return True
            return await insert_if_absent(connection, insert(table).values(name=name, holder=holder, until=now + TERM))

    async def give_back(self, holder: str) -> None:
        async with self.database.write() as connection:
            await connection.execute(delete(self.plumbing.leases).where(self.plumbing.leases.c.holder == holder))


@dataclass(slots=True)
class SqlIdempotencyStore:
    """Keys and answers in a table of the service's own database."""

    database: Database
    plumbing: InfrastructureTables
    now: Clock

    async def claim(self, key_id: UUID, fingerprint: str) -> StoredResponse | None:
        table, now = self.plumbing.answers, self.now()
        async with self.database.write() as connection:
            if await insert_if_absent(connection, insert(table).values(key_id=key_id, fingerprint=fingerprint, claimed_at=now)):
                return None
            row = (await connection.execute(select(table).where(table.c.key_id == key_id).with_for_update())).one_or_none()
            if row is None or row.fingerprint != fingerprint:
                raise IdempotencyKeyReused(pointer="/Idempotency-Key")
            if row.status is not None:
                return StoredResponse(row.status, json.loads(row.headers), row.body)
            if row.claimed_at > now - LEASE:
                raise RequestInProgress
            await connection.execute(update(table).where(table.c.key_id == key_id).values(claimed_at=now))
            return None

    async def keep(self, key_id: UUID, answer: StoredResponse) -> None:
        table = self.plumbing.answers
        kept = {"status": answer.status, "headers": json.dumps(answer.headers), "body": answer.body}
        async with self.database.write() as connection:
            await connection.execute(update(table).where(table.c.key_id == key_id).values(kept))

    async def release(self, key_id: UUID) -> None:
        table = self.plumbing.answers
        async with self.database.write() as connection:
            await connection.execute(delete(table).where(table.c.key_id == key_id, table.c.status.is_(None)))
