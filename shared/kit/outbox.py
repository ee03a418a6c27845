"""Outbox and inbox: an event leaves because its change was committed, and counts once where it arrives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
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
    """What every service's transaction can do beside its own verbs."""

    connection: AsyncConnection
    tables: InfrastructureTables
    source: str
    now: Clock

    async def add_event(self, event: Event) -> None:
        """The event leaves when this transaction is committed, and not otherwise."""
        body = json.dumps(event.to_cloudevent(self.source, traceparent.get()))
        row = {"event_id": event.id, "topic": event.topic, "body": body, "created_at": self.now()}
        await self.connection.execute(insert(self.tables.outbox).values(row))

    async def mark_handled(self, event_id: UUID) -> bool:
        """Records that this transaction is the effect of an event; False when one was already."""
        return await insert_if_absent(self.connection, insert(self.tables.inbox).values(event_id=event_id, handled_at=self.now()))


@dataclass(slots=True)
class Relay:
    """Carries the outbox to the bus, in order, marking each event after the broker confirmed it."""

    database: Database
    tables: InfrastructureTables
    bus: Bus
    now: Clock

    async def publish_waiting(self) -> int:
        """Publishes some of what waits. Topics that no queue wants yet stay, and do not hold up the others; a silent bus ends the round."""
        unwanted: set[str] = set()
        done: list[int] = []
        try:
            while not done and (rows := await self._waiting(unwanted)):
                for row in rows:
                    if row.topic not in unwanted and await self._left(row, unwanted):
                        done.append(row.seq)
        except PublishFailed as why:
            log_event("events wait", why=str(why))
        await self._mark(done)
        return len(done)

    async def _mark(self, done: list[int]) -> None:
        outbox = self.tables.outbox
        if done:
            async with self.database.write() as connection:
                await connection.execute(update(outbox).where(outbox.c.seq.in_(done)).values(published_at=self.now()))

    async def prune(self) -> int:
        """Forgets what left, or was handled, more than a week ago."""
        outbox, inbox, answers, before = self.tables.outbox, self.tables.inbox, self.tables.idempotency_keys, self.now() - RETENTION
        async with self.database.write() as connection:
            await connection.execute(delete(outbox).where(outbox.c.published_at < before))
            await connection.execute(delete(inbox).where(inbox.c.handled_at < before - RETENTION))
            await connection.execute(delete(answers).where(answers.c.claimed_at < before))
        return 0

    async def _waiting(self, unwanted: set[str]) -> list[Any]:
        outbox = self.tables.outbox
        here = outbox.c.published_at.is_(None) & outbox.c.topic.not_in(unwanted)
        waiting = select(outbox).where(here).order_by(outbox.c.seq).limit(BATCH)
        async with self.database.read() as connection:
            return list((await connection.execute(waiting)).all())

    async def _left(self, row: Any, unwanted: set[str]) -> bool:
        try:
            await self.bus.publish(row.topic, str(row.event_id), row.body.encode())
        except Unroutable as why:
            log_event("event waits", topic=row.topic, event=str(row.event_id), why=str(why))
            unwanted.add(row.topic)
            return False
        return True
