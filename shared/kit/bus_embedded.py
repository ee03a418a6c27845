"""The bus of the embedded platform: queues in one SQLite file, with the same guarantees as RabbitMQ, in the same process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

import aiosqlite

from shared.contracts.events import Event
from shared.kit.bus import DELAYS_SECONDS, Handler, Handlers, InvalidMessage, Unroutable, dispatch_message
from shared.kit.cancellation import propagate_cancellation
from shared.kit.clock import Clock
from shared.kit.logs import log_event

POLL_SECONDS = 1
SCHEMA = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;
CREATE TABLE IF NOT EXISTS bindings (queue TEXT, topic TEXT, PRIMARY KEY (queue, topic));
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, queue TEXT NOT NULL, message_id TEXT NOT NULL, body BLOB NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, dead INTEGER NOT NULL DEFAULT 0, why TEXT);
CREATE INDEX IF NOT EXISTS due ON deliveries (queue, dead, due_at, seq);
"""
ENQUEUE = "INSERT INTO deliveries (queue, message_id, body, due_at) SELECT queue, ?, ?, ? FROM bindings WHERE topic = ?"
NEXT_DUE = "SELECT seq, body, attempt FROM deliveries WHERE queue = ? AND dead = 0 AND due_at <= ? ORDER BY seq LIMIT 1"
RECORD_FAILURE = "UPDATE deliveries SET attempt = attempt + 1, due_at = ?, dead = ?, why = ? WHERE seq = ?"
DEAD_LETTERS = "SELECT queue, message_id, body, why FROM deliveries WHERE dead = 1 ORDER BY seq"


class Consumer:
    """The subscription of one queue: its handlers, an event that is set when a message may be due, and the lock of its delivery."""

    def __init__(self) -> None:
        self.handlers: dict[type[Event], Handler] = {}
        self.wake_event, self.delivery_lock = asyncio.Event(), asyncio.Lock()


class EmbeddedBus:
    """Opened with `async with`. `path` is a file, or `:memory:` in unit tests."""

    def __init__(self, path: str, clock: Clock, delays: Sequence[float] = DELAYS_SECONDS) -> None:
        self._path, self._clock, self._delays = path, clock, delays
        self._statement_lock = asyncio.Lock()
        self._consumers: dict[str, Consumer] = {}
        self._broadcast_handlers: list[Handlers] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._db = await aiosqlite.connect(self._path, isolation_level=None)
        await self._db.executescript(SCHEMA)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._db.close()

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        """Write the message to every queue that is bound to the topic, and call the broadcast handlers.

        Raises Unroutable if there is neither a queue nor a handler.
        """
        queues = await self._execute(ENQUEUE, (message_id, body, self._clock().timestamp(), topic))
        broadcasts = [handlers for handlers in self._broadcast_handlers if any(event_type.topic == topic for event_type in handlers)]
        if not queues and not broadcasts:
            raise Unroutable("no service has subscribed to the topic")
        for handlers in broadcasts:
            try:
                await dispatch_message(handlers, body)
            except Exception as error:
                log_event("broadcast_failed", logging.WARNING, topic=topic, reason=repr(error))
        for consumer in self._consumers.values():
            consumer.wake_event.set()

    async def subscribe(self, queue: str, handlers: Handlers) -> None:
        """Bind the queue to the events' topics permanently, and deliver to the handlers, one message at a time."""
        for event_type in handlers:
            await self._execute("INSERT OR IGNORE INTO bindings VALUES (?, ?)", (queue, event_type.topic))
        is_new = queue not in self._consumers
        consumer = self._consumers.setdefault(queue, Consumer())
        consumer.handlers.update(handlers)
        if is_new:
            self._tasks.append(asyncio.create_task(self._deliver_forever(queue, consumer), name=f"bus {queue}"))

    async def subscribe_broadcast(self, handlers: Handlers) -> None:
        """Call the handlers for every message that is published through this object."""
        self._broadcast_handlers.append(handlers)

    async def check(self) -> None:
        """Raise an error of SQLite when the file cannot be read."""
        await self._fetch("SELECT 1", ())

    async def deliver_due(self) -> int:
        """Deliver all messages that are due now. Returns their number."""
        return sum([await self._deliver_queue(queue, consumer) for queue, consumer in list(self._consumers.items())])

    async def dead_letters(self) -> Sequence[Any]:
        """Return the messages that were given up: queue, message id, body and error."""
        return await self._fetch(DEAD_LETTERS, ())

    async def _deliver_forever(self, queue: str, consumer: Consumer) -> None:
        while True:
            consumer.wake_event.clear()
            try:
                with propagate_cancellation():
                    await self._deliver_queue(queue, consumer)
            except Exception as error:
                log_event("queue_failed", logging.ERROR, error=error, queue=queue)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):  # asyncio.wait_for can lose a cancellation: see propagate_cancellation
                    await consumer.wake_event.wait()

    async def _deliver_queue(self, queue: str, consumer: Consumer) -> int:
        delivered = 0
        async with consumer.delivery_lock:
            while rows := await self._fetch(NEXT_DUE, (queue, self._clock().timestamp())):
                await self._deliver(queue, consumer.handlers, *rows[0])
                delivered += 1
        return delivered

    async def _deliver(self, queue: str, handlers: Handlers, seq: int, body: bytes, attempt: int) -> None:
        """Delete the message after its handler succeeded; otherwise delay it, or make it a dead letter."""
        try:
            await dispatch_message(handlers, body)
        except Exception as error:
            log_event("delivery_failed", logging.WARNING, queue=queue, attempt=attempt, reason=repr(error))
            is_dead = isinstance(error, InvalidMessage) or attempt >= len(self._delays)
            due_at = self._clock().timestamp() + (0 if is_dead else self._delays[attempt])
            await self._execute(RECORD_FAILURE, (due_at, int(is_dead), repr(error), seq))
        else:
            await self._execute("DELETE FROM deliveries WHERE seq = ?", (seq,))

    async def _execute(self, statement: str, values: tuple[Any, ...]) -> int:
        async with self._statement_lock:
            return (await self._db.execute(statement, values)).rowcount

    async def _fetch(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        async with self._statement_lock, self._db.execute(statement, values) as cursor:
            return list(await cursor.fetchall())
