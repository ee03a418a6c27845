"""Every adapter of the bus, with a name for the test alone: what one can open, look into and clean up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import aio_pika
from aio_pika.exceptions import ChannelClosed

from shared.contracts.events import Event, PasswordChanged, PatientChanged, SessionEnded
from shared.kit.bus import Bus, Handlers, PublishFailed
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.bus_rabbit import RabbitBus
from shared.kit.clock import system_clock
from shared.kit.ids import new_id

DELAYS = (0.1, 0.2)
__all__ = ["DELAYS", "Broker", "Event", "Handlers", "PasswordChanged", "PatientChanged", "SessionEnded"]


class Broker(Protocol):
    """One broker: several instances of services open it at a time, and it outlives them."""

    name: str

    def open(self) -> Any:
        """An instance's bus, as an async context manager."""

    async def dead(self, queue: str) -> list[tuple[str, bytes]]:
        """Message id and body of what was given up."""


class Embedded:
    """One file."""

    def __init__(self, folder: Path) -> None:
        self.name, self.path = "q", str(folder / "bus.db")

    def open(self) -> EmbeddedBus:
        return EmbeddedBus(self.path, system_clock, DELAYS)

    async def dead(self, queue: str) -> list[tuple[str, bytes]]:
        async with self.open() as bus:
            return [(row[1], row[2]) for row in await bus.dead_letters() if row[0] == queue]


class Rabbit:
    """The real broker, with an exchange and queues that no one else has."""

    def __init__(self, url: str) -> None:
        self.url, self.name = url, f"test.{uuid4().hex[:12]}"

    def open(self) -> RabbitBus:
        return RabbitBus(self.url, delays=DELAYS, exchange=self.name)

    async def dead(self, queue: str) -> list[tuple[str, bytes]]:
        found = []
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            taken = await channel.declare_queue(f"{queue}.dead", passive=True)
            while message := await taken.get(fail=False):
                found.append((str(message.message_id), message.body))
        return found

    async def clean(self) -> None:
        async with await aio_pika.connect(self.url) as connection:
            for queue in (f"{self.name}.{letter}" for letter in "ab"):
                for name in (queue, f"{queue}.dead", *(f"{queue}.retry.{seconds}s" for seconds in DELAYS)):
                    channel = await connection.channel()
                    with suppress(ChannelClosed):
                        await channel.queue_delete(name)
            channel = await connection.channel()
            await channel.exchange_delete(self.name)


class Heard:
    """A handler that remembers, and fails as often as it is told."""

    def __init__(self, fails: int = 0) -> None:
        self.events: list[Event] = []
        self.tries, self.fails = 0, fails

    async def __call__(self, event: Event) -> None:
        self.tries += 1
        if self.tries <= self.fails:
            raise RuntimeError("not now")
        self.events.append(event)

    @property
    def ids(self) -> list[UUID]:
        return [event.id for event in self.events]


def an_event(**changes: Any) -> PasswordChanged:
    return PasswordChanged(**{"id": new_id(), "occurred_at": system_clock().replace(microsecond=0), "account_id": new_id()} | changes)


async def publish(bus: Bus, event: Event, trace: str | None = None) -> None:
    await bus.publish(event.topic, str(event.id), json.dumps(event.to_cloudevent("test", trace)).encode())


async def until(what: Callable[[], object], seconds: float = 10) -> None:
    """Waits for something that another task or process does; `what` may be a coroutine function."""
    async with asyncio.timeout(seconds):
        while True:
            found = what()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)


async def left(bus: Bus, event: Event) -> bool:
    """Whether the bus took it."""
    try:
        await publish(bus, event)
    except PublishFailed:
        return False
    return True


@asynccontextmanager
async def opened(*brokers: Broker) -> AsyncIterator[list[Bus]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(broker.open()) for broker in brokers]
