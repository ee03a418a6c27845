"""The bus of the embedded platform: queues in one SQLite file, with the same guarantees as RabbitMQ, in the same process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import aiosqlite

from shared.contracts.events import Event
from shared.kit.bus import DELAYS_SECONDS, Handler, Handlers, InvalidMessage, Unroutable, dispatch_message
from shared.kit.cancellation import propagate_cancellation
from shared.kit.clock import Clock
from shared.kit.dead_messages import UNKNOWN_ERROR, DeadMessage, KeepDeadMessage, error_summary, without_text
from shared.kit.error_texts import describe_error
from shared.kit.logs import log_event

POLL_SECONDS = 1
SCHEMA = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;
CREATE TABLE IF NOT EXISTS bindings (queue TEXT, topic TEXT, PRIMARY KEY (queue, topic));
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, queue TEXT NOT NULL, message_id TEXT NOT NULL, body BLOB NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, dead INTEGER NOT NULL DEFAULT 0, why TEXT,
    replay INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS due ON deliveries (queue, dead, due_at, seq);
"""
ENQUEUE = "INSERT INTO deliveries (queue, message_id, body, due_at) SELECT queue, ?, ?, ? FROM bindings WHERE topic = ?"
NEXT_DUE = "SELECT seq, body, attempt FROM deliveries WHERE queue = ? AND dead = 0 AND due_at <= ? ORDER BY seq LIMIT 1"
RECORD_FAILURE = "UPDATE deliveries SET attempt = attempt + 1, due_at = ?, dead = ?, why = ? WHERE seq = ?"
DEAD_LETTERS = "SELECT queue, message_id, body, why FROM deliveries WHERE dead = 1 ORDER BY seq"
DEAD_COLUMNS = "seq, message_id, body, why, attempt, replay, due_at"
NEXT_DEAD = f"SELECT {DEAD_COLUMNS} FROM deliveries WHERE queue = ? AND dead = 1 AND seq > ? ORDER BY seq LIMIT 1"
REDELIVER = "INSERT INTO deliveries (queue, message_id, body, due_at, replay) VALUES (?, ?, ?, ?, ?)"
DELETE = "DELETE FROM deliveries WHERE seq = ?"


class Consumer:
    """The subscription of one queue: its handlers, an event that is set when a message may be due, and the lock of its delivery.

    `has_dead` is True while there may be dead letters that `keep_dead` has not got yet.
    """

    def __init__(self) -> None:
        self.handlers: dict[type[Event], Handler] = {}
        self.keep_dead: KeepDeadMessage | None = None
        self.has_dead = True
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
        if not await self._fetch("SELECT 1 FROM pragma_table_info('deliveries') WHERE name = 'replay'", ()):  # a file of release 0.1.0
            await self._execute("ALTER TABLE deliveries ADD COLUMN replay INTEGER NOT NULL DEFAULT 0", ())
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
                log_event("broadcast_failed", logging.WARNING, topic=topic, reason=describe_error(error))
        for consumer in self._consumers.values():
            consumer.wake_event.set()

    async def subscribe(self, queue: str, handlers: Handlers, keep_dead: KeepDeadMessage | None = None) -> None:
        """Bind the queue to the events' topics permanently, and deliver to the handlers, one message at a time."""
        for event_type in handlers:
            await self._execute("INSERT OR IGNORE INTO bindings VALUES (?, ?)", (queue, event_type.topic))
        is_new = queue not in self._consumers
        consumer = self._consumers.setdefault(queue, Consumer())
        consumer.handlers.update(handlers)
        consumer.keep_dead = keep_dead or consumer.keep_dead
        if is_new:
            self._tasks.append(asyncio.create_task(self._deliver_forever(queue, consumer), name=f"bus {queue}"))

    async def redeliver(self, queue: str, message_id: str, body: bytes, replay: int) -> None:
        """Write the message to one queue."""
        await self._execute(REDELIVER, (queue, message_id, body, self._clock().timestamp(), replay))
        if consumer := self._consumers.get(queue):
            consumer.wake_event.set()

    async def subscribe_broadcast(self, handlers: Handlers) -> None:
        """Call the handlers for every message that is published through this object."""
        self._broadcast_handlers.append(handlers)

    async def check(self) -> None:
        """Raise an error of SQLite when the file cannot be read."""
        await self._fetch("SELECT 1", ())

    async def deliver_due(self) -> int:
        """Deliver all messages that are due now, and hand over dead letters. Returns their number."""
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
                await self._deliver(queue, consumer, *rows[0])
                delivered += 1
            if consumer.keep_dead is not None and consumer.has_dead:
                delivered += await self._hand_over_dead(queue, consumer, consumer.keep_dead)
        return delivered

    async def _hand_over_dead(self, queue: str, consumer: Consumer, keep_dead: KeepDeadMessage) -> int:
        """Hand the dead letters of a queue to its service, and delete each after that. One that fails stays until the next time."""
        last_seq, kept, failed = 0, 0, 0
        while rows := await self._fetch(NEXT_DEAD, (queue, last_seq)):
            last_seq, message_id, body, error, attempts, replay, died = rows[0]
            died_at = datetime.fromtimestamp(died, UTC)
            try:
                await keep_dead(DeadMessage(message_id, body, without_text(error or UNKNOWN_ERROR), attempts, replay, died_at))
            except Exception as failure:
                log_event("dead_letter_not_kept", logging.WARNING, queue=queue, reason=repr(failure))
                failed += 1
            else:
                await self._execute(DELETE, (last_seq,))
                kept += 1
        consumer.has_dead = failed > 0
        return kept

    async def _deliver(self, queue: str, consumer: Consumer, seq: int, body: bytes, attempt: int) -> None:
        """Delete the message after its handler succeeded; otherwise delay it, or make it a dead letter."""
        try:
            await dispatch_message(consumer.handlers, body)
        except Exception as error:
            log_event("delivery_failed", logging.WARNING, queue=queue, attempt=attempt, reason=describe_error(error))
            is_dead = isinstance(error, InvalidMessage) or attempt >= len(self._delays)
            due_at = self._clock().timestamp() + (0 if is_dead else self._delays[attempt])
            await self._execute(RECORD_FAILURE, (due_at, int(is_dead), error_summary(error), seq))
            consumer.has_dead |= is_dead
        else:
            await self._execute(DELETE, (seq,))

    async def _execute(self, statement: str, values: tuple[Any, ...]) -> int:
        async with self._statement_lock:
            return (await self._db.execute(statement, values)).rowcount

    async def _fetch(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        async with self._statement_lock, self._db.execute(statement, values) as cursor:
            return list(await cursor.fetchall())
