"""Outbox and inbox: an event is published if and only if its change was committed, and takes effect once in each service."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.events import Event
from shared.kit.bus import Bus, PublishFailed, Unroutable
from shared.kit.clock import Clock
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.logs import log_event, traceparent
from shared.kit.sql import Database, insert_if_absent

RETENTION = timedelta(days=7)
BATCH = 200


@dataclass(slots=True)
class SqlTransaction:
    """The base of every service's transaction: it adds events to the outbox and marks events as handled.

    `has_events` is True when it adds an event; only then has the relay something to publish after the commit.
    """

    connection: AsyncConnection
    tables: InfrastructureTables
    source: str
    now: Clock
    has_events: bool = False

    async def add_event(self, event: Event) -> None:
        """Add the event to the outbox. It is published after this transaction commits, or never."""
        self.has_events = True
        await self.connection.execute(self.tables.insert_event, self._outbox_row(event))

    async def add_events(self, events: Sequence[Event]) -> None:
        """Add several events to the outbox, at least one, with one statement."""
        self.has_events = True
        await self.connection.execute(self.tables.insert_event, [self._outbox_row(event) for event in events])

    def _outbox_row(self, event: Event) -> dict[str, Any]:
        body = json.dumps(event.to_cloudevent(self.source, traceparent.get()))
        return {"event_id": event.id, "topic": event.topic, "body": body, "created_at": self.now()}

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record in this transaction that the event was handled. Returns False when an earlier transaction has handled it."""
        return await insert_if_absent(self.connection, self.tables.insert_handled, {"event_id": event_id, "handled_at": self.now()})


@dataclass(slots=True)
class Relay:
    """Publishes the events of the outbox in the order of their commits, and marks each one after the bus has confirmed it."""

    database: Database
    tables: InfrastructureTables
    bus: Bus
    now: Clock

    async def publish_waiting(self) -> int:
        """Publish waiting events. Returns how many were published; fewer than BATCH mean that the run has tried all of them.

        An event without a subscriber stays, and so do the later ones of its topic, while other topics go on. An event that fails for any
        other reason stays, too, but delays no other event. When the bus does not answer, the rest waits for the next run. An event may be
        published twice, when this process dies before the mark is committed.
        """
        unroutable, published, last = set[str](), list[int](), 0
        try:
            while len(published) < BATCH:
                rows = await self._list_waiting(unroutable, last)
                for row in rows:
                    if row.topic not in unroutable and await self._publish(row, unroutable):
                        published.append(row.seq)
                    last = row.seq
                if len(rows) < BATCH:
                    break
        except PublishFailed as error:
            log_event("outbox_waits_for_bus", reason=str(error))
        await self._mark_published(published)
        return len(published)

    async def prune(self) -> int:
        """Delete what is older than RETENTION: published events, handled event ids (twice as old) and idempotency keys. Returns 0."""
        outbox, inbox, keys = self.tables.outbox, self.tables.inbox, self.tables.idempotency_keys
        before = self.now() - RETENTION
        async with self.database.write() as connection:
            await connection.execute(delete(outbox).where(outbox.c.published_at < before))
            await connection.execute(delete(inbox).where(inbox.c.handled_at < before - RETENTION))
            await connection.execute(delete(keys).where(keys.c.claimed_at < before))
        return 0

    async def _list_waiting(self, unroutable: Collection[str], after: int) -> list[Any]:
        """Return the next rows after the sequence number `after`."""
        query, outbox = self.tables.list_waiting_events, self.tables.outbox
        if unroutable or after:
            query = query.where(outbox.c.topic.not_in(unroutable), outbox.c.seq > after)
        async with self.database.read() as connection:
            return list((await connection.execute(query, {"max_rows": BATCH})).all())

    async def _publish(self, row: Any, unroutable: set[str]) -> bool:
        """Publish one event. Returns False when it fails or has no subscriber, and then adds its topic to `unroutable`."""
        try:
            await self.bus.publish(row.topic, str(UUID(row.event_id)), row.body.encode())
        except Unroutable:
            log_event("event_unroutable", topic=row.topic, event=row.event_id)
            unroutable.add(row.topic)
            return False
        except PublishFailed:
            raise
        except Exception as error:
            log_event("event_failed", logging.ERROR, error=error, topic=row.topic, event=row.event_id)
            return False
        return True

    async def _mark_published(self, sequence_numbers: list[int]) -> None:
        outbox = self.tables.outbox
        if sequence_numbers:
            async with self.database.write() as connection:
                await connection.execute(update(outbox).where(outbox.c.seq.in_(sequence_numbers)).values(published_at=self.now()))
