"""The event bus as services see it; its adapters stand behind the URL's scheme."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from shared.contracts.events import TOPICS, Event
from shared.kit.logs import log_event, traceparent
from shared.kit.retry import retry_transaction

EXCHANGE = "careslot.events"
DELAYS_SECONDS = (1, 10, 60, 600)
Handler = Callable[[Any], Awaitable[Any]]
Handlers = Mapping[type[Event], Handler]


class PublishFailed(Exception):
    """The bus did not take a message: no queue wants it yet, or the broker does not answer. It is to be published again."""


class Unroutable(PublishFailed):
    """The bus answers, but no queue wants the message yet."""


class InvalidMessage(Exception):
    """A message that no number of retries can make good."""


class Bus(Protocol):
    """At least once, in effect once with the inbox; a queue per consuming service, kept on disk."""

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        """Returns when every queue that wants it has it on disk; raises Undelivered otherwise."""

    async def subscribe(self, queue: str, handlers: Handlers) -> None:
        """A durable queue that the instances of a service share: each message to one of them, retried later when its handler fails."""

    async def subscribe_broadcast(self, handlers: Handlers) -> None:
        """Every message to this very instance, while it lives; nothing is kept for it."""

    async def check(self) -> None:
        """For readiness: raises when the bus does not answer."""


async def dispatch_message(handlers: Handlers, body: bytes) -> None:
    """Gives a message to its handler, with the trace it came by."""
    try:
        envelope = json.loads(body)
        event = Event.from_cloudevent(envelope)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
        raise InvalidMessage(repr(wrong)) from wrong
    token = traceparent.set(envelope.get("traceparent"))
    try:
        await retry_transaction(lambda: handlers[type(event)](event))
        log_event("event", topic=event.topic, event=str(event.id))
    finally:
        traceparent.reset(token)


def handlers_for(kind: type[Event], handle: Handler) -> dict[type[Event], Handler]:
    """The same handler for all events of a family: `every(AppointmentEvent, calendar.note)`."""
    return {topic: handle for topic in TOPICS.values() if issubclass(topic, kind)}
