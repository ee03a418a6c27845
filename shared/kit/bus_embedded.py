"""The in-process bus: a queue per consumer in one SQLite file, with RabbitMQ's promises and none of its processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

import aiosqlite

from shared.contracts.events import Event
from shared.kit.bus import DELAYS_SECONDS, Handlers, InvalidMessage, Unroutable, dispatch_message
from shared.kit.cancellation import propagate_cancellation
from shared.kit.clock import Clock
from shared.kit.logs import log

SCHEMA = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;
CREATE TABLE IF NOT EXISTS bindings (queue TEXT, topic TEXT, PRIMARY KEY (queue, topic));
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, queue TEXT NOT NULL, message_id TEXT NOT NULL, body BLOB NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, dead INTEGER NOT NULL DEFAULT 0, why TEXT);
CREATE INDEX IF NOT EXISTS due ON deliveries (queue, dead, due_at, seq);
"""
ENQUEUE = "INSERT INTO deliveries (queue, message_id, body, due_at) SELECT queue, ?, ?, ? FROM bindings WHERE topic = ?"
NEXT = "SELECT seq, body, attempt FROM deliveries WHERE queue = ? AND dead = 0 AND due_at <= ? ORDER BY seq LIMIT 1"


class EmbeddedBus:
    """Open with `async with`; `path` may be `:memory:` in unit tests."""

    def __init__(self, path: str, clock: Clock, delays: Sequence[float] = DELAYS_SECONDS) -> None:
        self._path, self._clock, self._delays = path, clock, delays
        self._turn = asyncio.Lock()
        self._queues: dict[str, dict[type[Event], Any]] = {}
        self._listeners: list[Handlers] = []
        self._wake: dict[str, asyncio.Event] = {}
        self._busy: dict[str, asyncio.Lock] = {}
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
        """Every queue that wants the topic has the message on disk when this returns."""
        queues = await self._run(ENQUEUE, (message_id, body, self._clock().timestamp(), topic))
        listeners = [handlers for handlers in self._listeners if any(kind.topic == topic for kind in handlers)]
        if not queues and not listeners:
            raise Unroutable("nobody listens to it")
        for handlers in listeners:
            try:
                await dispatch_message(handlers, body)
            except Exception as why:
                log.warning("delivery failed", extra={"facts": {"queue": None, "why": repr(why)}})
        for wake in self._wake.values():
            wake.set()

    async def subscribe(self, queue: str, handlers: Handlers) -> None:
        """Binds the queue for good, and delivers to `handlers`, one message at a time."""
        for kind in handlers:
            await self._run("INSERT OR IGNORE INTO bindings VALUES (?, ?)", (queue, kind.topic))
        first = queue not in self._queues
        self._queues.setdefault(queue, {}).update(handlers)
        if first:
            self._wake[queue], self._busy[queue] = asyncio.Event(), asyncio.Lock()
            self._tasks.append(asyncio.create_task(self._deliver(queue), name=f"bus {queue}"))

    async def subscribe_broadcast(self, handlers: Handlers) -> None:
        self._listeners.append(handlers)

    async def check(self) -> None:
        await self._rows("SELECT 1", ())

    async def deliver_due(self) -> int:
        """Delivers all that is due now; returns how many it delivered."""
        return sum([await self._drained(queue) for queue in list(self._queues)])

    async def dead_letters(self) -> Sequence[Any]:
        """What no handler could take: (queue, message id, body, why)."""
        return await self._rows("SELECT queue, message_id, body, why FROM deliveries WHERE dead = 1 ORDER BY seq", ())

    async def _deliver(self, queue: str) -> None:
        while True:
            self._wake[queue].clear()
            try:
                with propagate_cancellation():
                    await self._drained(queue)
            except Exception:
                log.exception("queue waits", extra={"facts": {"queue": queue}})
            with suppress(TimeoutError):
                async with asyncio.timeout(1):  # not wait_for: see heeded
                    await self._wake[queue].wait()

    async def _drained(self, queue: str) -> int:
        count = 0
        async with self._busy[queue]:
            while rows := await self._rows(NEXT, (queue, self._clock().timestamp())):
                await self._one(queue, *rows[0])
                count += 1
        return count

    async def _one(self, queue: str, seq: int, body: bytes, attempt: int) -> None:
        try:
            await dispatch_message(self._queues[queue], body)
        except Exception as why:
            log.warning("delivery failed", extra={"facts": {"queue": queue, "attempt": attempt, "why": repr(why)}})
            given_up = isinstance(why, InvalidMessage) or attempt >= len(self._delays)
            due_at = self._clock().timestamp() + (0 if given_up else self._delays[attempt])
            again = "UPDATE deliveries SET attempt = attempt + 1, due_at = ?, dead = ?, why = ? WHERE seq = ?"
            await self._run(again, (due_at, int(given_up), repr(why), seq))
        else:
            await self._run("DELETE FROM deliveries WHERE seq = ?", (seq,))

    async def _run(self, statement: str, values: tuple[Any, ...]) -> int:
        async with self._turn:
            return (await self._db.execute(statement, values)).rowcount

    async def _rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        async with self._turn, self._db.execute(statement, values) as cursor:
            return list(await cursor.fetchall())
