"""The idempotency keys of a service and their stored responses, in a table of its own database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from shared.kit.clock import Clock
from shared.kit.idempotency import LEASE, IdempotencyKeyReused, RequestInProgress, StoredResponse
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.sql import Database, insert_if_absent


@dataclass(slots=True)
class SqlIdempotencyStore:
    """Keys and answers in a table of the service's own database."""

    database: Database
    tables: InfrastructureTables
    now: Clock

    async def claim(self, key_id: UUID, fingerprint: str) -> StoredResponse | None:
        table, now = self.tables.idempotency_keys, self.now()
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

    async def save_response(self, key_id: UUID, answer: StoredResponse) -> None:
        table = self.tables.idempotency_keys
        kept = {"status": answer.status, "headers": json.dumps(answer.headers), "body": answer.body}
        async with self.database.write() as connection:
            await connection.execute(update(table).where(table.c.key_id == key_id).values(kept))

    async def release(self, key_id: UUID) -> None:
        table = self.tables.idempotency_keys
        async with self.database.write() as connection:
            await connection.execute(delete(table).where(table.c.key_id == key_id, table.c.status.is_(None)))
