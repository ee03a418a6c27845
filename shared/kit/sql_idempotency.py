"""The idempotency keys of a service and their stored responses, in a table of its own database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from shared.kit.clock import Clock
from shared.kit.idempotency_store import CLAIM_TIMEOUT, IdempotencyKeyReused, KeyClaim, RequestInProgress, StoredResponse
from shared.kit.ids import new_id
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.sql import Database, insert_if_absent


@dataclass(slots=True)
class SqlIdempotencyStore:
    """One row per idempotency key: first a claim, while the request runs; then the response."""

    database: Database
    tables: InfrastructureTables
    now: Clock

    async def claim(self, key_id: UUID, fingerprint: str) -> KeyClaim:
        """Claim the key for a request, or return the response that was stored for it.

        A claim whose request never ended can be taken over after CLAIM_TIMEOUT, and keeps the id of its operation. Raises
        IdempotencyKeyReused when the key came with another request, RequestInProgress while the first request is running.
        """
        keys, now, operation_id = self.tables.idempotency_keys, self.now(), new_id()
        new_row = {"key_id": key_id, "fingerprint": fingerprint, "claimed_at": now, "operation_id": operation_id}
        async with self.database.write() as connection:
            if await insert_if_absent(connection, insert(keys).values(new_row)):
                return KeyClaim(operation_id, is_first_run=True)
            row = (await connection.execute(select(keys).where(keys.c.key_id == key_id).with_for_update())).one_or_none()
            if row is None or row.fingerprint != fingerprint:
                raise IdempotencyKeyReused(pointer="/Idempotency-Key")
            stored_id = row.operation_id or key_id  # earlier releases used the id of the key
            if row.status is not None:
                return KeyClaim(stored_id, StoredResponse(row.status, json.loads(row.headers), row.body))
            if row.claimed_at > now - CLAIM_TIMEOUT:
                raise RequestInProgress
            await connection.execute(update(keys).where(keys.c.key_id == key_id).values(claimed_at=now))
            return KeyClaim(stored_id)

    async def save_response(self, key_id: UUID, response: StoredResponse) -> None:
        """Store the response of the request that claimed the key."""
        keys = self.tables.idempotency_keys
        values = {"status": response.status, "headers": json.dumps(response.headers), "body": response.body}
        async with self.database.write() as connection:
            await connection.execute(update(keys).where(keys.c.key_id == key_id).values(values))

    async def reopen(self, key_id: UUID) -> None:
        """Let the same request take the claim over at once, as after CLAIM_TIMEOUT."""
        keys = self.tables.idempotency_keys
        async with self.database.write() as connection:
            ended = update(keys).where(keys.c.key_id == key_id, keys.c.status.is_(None))
            await connection.execute(ended.values(claimed_at=self.now() - CLAIM_TIMEOUT))

    async def delete_mentioning(self, subject_id: UUID) -> int:
        """Delete the stored responses that contain an id, such as those that name a patient, or were sent to its owner; return how many.

        The rows stay, as after `reopen`: a repeated request must find what the first one did. Bodies and headers, which name the caller,
        are searched in a query without locks, so that requests under way do not wait. This is the last step of erasing a patient, so that
        SQLite's log, which has what was deleted before, is emptied, too.
        """
        keys, text = self.tables.idempotency_keys, str(subject_id)
        is_mentioned = (func.instr(keys.c.body, text.encode()) > 0) | (func.instr(keys.c.headers, text) > 0)
        mentioning = select(keys.c.key_id).where(keys.c.status.is_not(None), is_mentioned)
        async with self.database.read() as connection:
            key_ids = list(await connection.scalars(mentioning))
        count, emptied = 0, {"status": None, "headers": None, "body": None, "claimed_at": self.now() - CLAIM_TIMEOUT}
        if key_ids:
            async with self.database.write() as connection:
                mentioned = update(keys).where(keys.c.key_id.in_(key_ids), keys.c.status.is_not(None))
                count = (await connection.execute(mentioned.values(emptied))).rowcount
        await self.database.empty_log()
        return count

    async def release(self, key_id: UUID) -> None:
        """Delete the claim, so that the request can be sent again with the same key. A stored response stays."""
        keys = self.tables.idempotency_keys
        async with self.database.write() as connection:
            await connection.execute(delete(keys).where(keys.c.key_id == key_id, keys.c.status.is_(None)))
