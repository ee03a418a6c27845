"""Every adapter of the bus, under names that no other test uses, and the events and handlers of the tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import aio_pika
from aio_pika.exceptions import ChannelClosed

from shared.contracts.events import Event, PasswordChanged, PatientChanged, SessionEnded
from shared.kit.bus import Bus, Handlers, PublishFailed, Unroutable
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.bus_rabbit import RabbitBus
from shared.kit.clock import system_clock
from shared.kit.dead_messages import KeepDeadMessage
from shared.kit.ids import new_id
from shared.kit.rabbit_retries import ATTEMPT_HEADER, dead_letter_queue, persistent_message, queue_names, suffixes

DELAYS = (0.1, 0.2)
__all__ = ["DELAYS", "Broker", "Event", "Handlers", "PasswordChanged", "PatientChanged", "SessionEnded"]


class Broker(Protocol):
    """A broker that several instances of services connect to; it keeps its queues when they end."""

    name: str

    def open(self) -> Any:
        """Return the bus of one instance, as an async context manager."""

    async def dead_letters(self, queue: str) -> list[tuple[str, bytes]]:
        """Return message id and body of the queue's dead letters."""


class EmbeddedBroker:
    """The embedded bus on one file."""

    def __init__(self, folder: Path) -> None:
        self.name, self.path = "q", str(folder / "bus.db")

    def open(self) -> EmbeddedBus:
        return EmbeddedBus(self.path, system_clock, DELAYS)

    async def dead_letters(self, queue: str) -> list[tuple[str, bytes]]:
        async with self.open() as bus:
            return [(row[1], row[2]) for row in await bus.dead_letters() if row[0] == queue]


class RabbitBroker:
    """The RabbitMQ server, with an exchange and queues of the test's own."""

    def __init__(self, url: str) -> None:
        self.url, self.name = url, f"test.{uuid4().hex[:12]}"

    def open(self) -> RabbitBus:
        return RabbitBus(self.url, delays=DELAYS, exchange=self.name)

    async def dead_letters(self, queue: str) -> list[tuple[str, bytes]]:
        letters = []
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            dead = await channel.declare_queue(dead_letter_queue(queue), passive=True)
            while message := await dead.get(fail=False):
                letters.append((str(message.message_id), message.body))
        return letters

    async def delete_queues(self) -> None:
        async with await aio_pika.connect(self.url) as connection:
            for queue in (f"{self.name}.{letter}" for letter in "ab"):
                for name in queue_names(queue, DELAYS):
                    channel = await connection.channel()
                    with suppress(ChannelClosed):
                        await channel.queue_delete(name)
            channel = await connection.channel()
            await channel.exchange_delete(self.name)


class OldRabbitQueues:
    """The queues that release 0.1.0 declared for a consumer, with messages in each of them."""

    def __init__(self, rabbit: RabbitBroker, queue: str) -> None:
        self._rabbit, self._queue = rabbit, queue

    async def declare(self) -> None:
        async with await aio_pika.connect(self._rabbit.url) as connection:
            channel = await connection.channel()
            quorum: dict[str, Any] = {"x-queue-type": "quorum"}
            for seconds in DELAYS:
                back = {"x-message-ttl": 60_000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": self._queue}
                await channel.declare_queue(f"{self._queue}.retry.{seconds}s", durable=True, arguments=quorum | back)
            await channel.declare_queue(f"{self._queue}.dead", durable=True, arguments=quorum)
            declared = await channel.declare_queue(self._queue, durable=True, arguments=quorum)
            await channel.declare_exchange(self._rabbit.name, "topic", durable=True)
            await declared.bind(self._rabbit.name, PasswordChanged.topic)

    async def put(self, suffix: str, event: Event, attempt: int = 0) -> None:
        """Put an event into the queue with that suffix, as the consumer's `attempt`s at it left it."""
        async with await aio_pika.connect(self._rabbit.url) as connection:
            channel = await connection.channel()
            body = json.dumps(event.to_cloudevent("test", None)).encode()
            message = persistent_message(body, str(event.id), {ATTEMPT_HEADER: attempt})
            await channel.default_exchange.publish(message, f"{self._queue}{suffix}")

    async def names(self) -> list[str]:
        """Return the names of those that still exist."""
        existing = []
        async with await aio_pika.connect(self._rabbit.url) as connection:
            for name in (f"{self._queue}{suffix}" for suffix in suffixes(DELAYS)):
                with suppress(ChannelClosed):
                    await (await connection.channel()).declare_queue(name, passive=True)
                    existing.append(name)
        return existing


class RecordingHandler:
    """A handler that remembers its events, after it has failed a number of times."""

    def __init__(self, failures: int = 0) -> None:
        self.events: list[Event] = []
        self.calls, self.failures = 0, failures

    async def __call__(self, event: Event) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise RuntimeError("not now")
        self.events.append(event)

    @property
    def ids(self) -> list[UUID]:
        return [event.id for event in self.events]


class RecordingBus:
    """A bus that records message ids; it refuses `unroutable` topics, and everything while it is away."""

    def __init__(self, unroutable: tuple[str, ...] = (), *, is_away: bool = False) -> None:
        self.unroutable, self.is_away = unroutable, is_away
        self.attempted: list[str] = []
        self.published: list[str] = []

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        self.attempted.append(message_id)
        await asyncio.sleep(0)
        if self.is_away:
            raise PublishFailed
        if topic in self.unroutable:
            raise Unroutable
        self.published.append(message_id)

    async def subscribe(self, queue: str, handlers: Handlers, keep_dead: KeepDeadMessage | None = None) -> None: ...

    async def redeliver(self, queue: str, message_id: str, body: bytes, replay: int) -> None: ...

    async def subscribe_broadcast(self, handlers: Handlers) -> None: ...

    async def check(self) -> None: ...


def an_event(**changes: Any) -> PasswordChanged:
    return PasswordChanged(**{"id": new_id(), "occurred_at": system_clock().replace(microsecond=0), "account_id": new_id()} | changes)


async def publish(bus: Bus, event: Event, trace: str | None = None) -> None:
    await bus.publish(event.topic, str(event.id), json.dumps(event.to_cloudevent("test", trace)).encode())


async def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until the condition holds, which another task or process brings about; it may be a coroutine function."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if await result if isinstance(result, Awaitable) else result:
                return
            await asyncio.sleep(0.01)


async def was_published(bus: Bus, event: Event) -> bool:
    """Publish the event and return whether the bus took it."""
    try:
        await publish(bus, event)
    except PublishFailed:
        return False
    return True
