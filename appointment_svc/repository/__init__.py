"""Storage of appointment-service: documents in MongoDB or in SQLite, depending on the scheme of the database URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from appointment_svc.repository.documents import Documents
from shared.kit.bus import Bus
from shared.kit.clock import Clock
from shared.kit.dead_letters import DeadLetterStore
from shared.kit.idempotency_store import IdempotencyStore
from shared.kit.leases import Leases


@dataclass(frozen=True, slots=True)
class Storage:
    """The adapters of one database. `check` raises when the database does not answer; `prune_keys` deletes old idempotency keys."""

    documents: Documents
    idempotency: IdempotencyStore
    leases: Leases
    dead_letters: DeadLetterStore
    check: Callable[[], Awaitable[None]]
    prune_keys: Callable[[], Awaitable[int]]


@asynccontextmanager
async def open_storage(url: str, bus: Bus, clock: Clock) -> AsyncIterator[Storage]:
    """Open the storage that the URL names. Drivers are imported only when they are needed."""
    if url.startswith("mongodb"):
        from appointment_svc.repository.mongo import MongoDocuments, MongoIdempotencyStore, MongoLeases, open_database
        from appointment_svc.repository.mongo_dead_letters import MongoDeadLetterStore

        async with open_database(url) as mongo:
            documents, mongo_keys = MongoDocuments(mongo), MongoIdempotencyStore(mongo, clock)
            mongo_letters = MongoDeadLetterStore(mongo)
            yield Storage(documents, mongo_keys, MongoLeases(mongo, clock), mongo_letters, documents.check, mongo_keys.prune)
        return
    from appointment_svc.repository.sqlite import SqliteDocuments
    from appointment_svc.repository.tables import INFRASTRUCTURE
    from shared.kit.outbox import Relay
    from shared.kit.sql import Database
    from shared.kit.sql_dead_letters import SqlDeadLetterStore
    from shared.kit.sql_idempotency import SqlIdempotencyStore
    from shared.kit.sql_leases import SqlLeases

    async with Database(url) as database:
        keys, leases = SqlIdempotencyStore(database, INFRASTRUCTURE, clock), SqlLeases(database, INFRASTRUCTURE, clock)
        prune_keys = Relay(database, INFRASTRUCTURE, bus, clock).prune
        letters = SqlDeadLetterStore(database, INFRASTRUCTURE)
        yield Storage(SqliteDocuments(database), keys, leases, letters, database.check, prune_keys)
