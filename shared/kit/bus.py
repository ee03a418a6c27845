"""The event bus as services see it. The scheme of its URL selects the adapter."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from shared.contracts.events import TOPICS, Event
from shared.kit.clock import Clock
from shared.kit.dead_messages import KeepDeadMessage
from shared.kit.error_texts import describe_error
from shared.kit.logs import log_event, traceparent

EXCHANGE = "careslot.events"
DELAYS_SECONDS = (1, 10, 60, 600)
Handler = Callable[[Any], Awaitable[Any]]
Handlers = Mapping[type[Event], Handler]


class PublishFailed(Exception):
    """The bus did not take a message. The publisher keeps it and publishes it again later."""


class Unroutable(PublishFailed):
    """The bus works, but no service has subscribed to the message's topic yet."""


class InvalidMessage(Exception):
    """The message cannot be read, so delivering it again is useless."""


class Bus(Protocol):
    """The port to the broker. Delivery is at least once; the inbox of each service makes the effect happen once."""

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        """Publish a message. On return every queue that is subscribed to the topic has it on disk. Raises PublishFailed otherwise."""

    async def subscribe(self, queue: str, handlers: Handlers, keep_dead: KeepDeadMessage | None = None) -> None:
        """Consume a durable queue that all instances of a service share.

        Each message goes to one of them. When its handler fails it is delivered again after each of DELAYS_SECONDS, and then becomes a
        dead letter. The bus hands dead letters to `keep_dead`, at least once, and keeps them itself without it.
        """

    async def redeliver(self, queue: str, message_id: str, body: bytes, replay: int) -> None:
        """Put a message into one queue only, with all retries ahead of it. Raises PublishFailed.

        When it is given up, `keep_dead` gets it with the same number `replay`.
        """

    async def subscribe_broadcast(self, handlers: Handlers) -> None:
        """Receive every message on each running instance. A message is delivered once; it is lost when its handler fails."""

    async def check(self) -> None:
        """Raise PublishFailed when the broker does not answer."""


@asynccontextmanager
async def open_bus(url: str, clock: Clock, namespace: str = "") -> AsyncIterator[Bus]:
    """Open the event bus behind a URL: `amqp://...`, or `memory:` with an optional path (`memory:/data/bus.db`).

    Installations that share a broker have different namespaces.
    """
    if url.startswith("amqp"):
        from shared.kit.bus_rabbit import RabbitBus

        async with RabbitBus(url, exchange=f"{namespace}{EXCHANGE}") as rabbit:
            yield rabbit
    else:
        from shared.kit.bus_embedded import EmbeddedBus

        async with EmbeddedBus(url.removeprefix("memory:") or ":memory:", clock) as embedded:
            yield embedded


async def dispatch_message(handlers: Handlers, body: bytes) -> None:
    """Call the handler of the message's event once, under the trace that the message carries.

    A handler retries its own transactions. Raises InvalidMessage, or whatever the handler raises.
    """
    try:
        envelope = json.loads(body)
        event = Event.from_cloudevent(envelope)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidMessage(describe_error(error)) from error
    token = traceparent.set(envelope.get("traceparent"))
    try:
        await handlers[type(event)](event)
        log_event("event_handled", topic=event.topic, event=str(event.id))
    finally:
        traceparent.reset(token)


def handlers_for(family: type[Event], handler: Handler) -> dict[type[Event], Handler]:
    """Return one handler for every event of a family: `handlers_for(AppointmentEvent, history.record)`."""
    return {event_type: handler for event_type in TOPICS.values() if issubclass(event_type, family)}
