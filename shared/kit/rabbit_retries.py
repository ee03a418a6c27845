"""The queues of one consumer on RabbitMQ: the queue itself, delayed retries made of queues with an expiry, and dead letters.

The consumer `q` has the quorum queues `q.v2`, `q.v2.retry.<delay>s` and `q.v2.dead`. RabbitMQ does not change the arguments of a queue,
so queues with other arguments get another VERSION, and `rabbit_old_queues` moves what waits in those of the version before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

from shared.kit.bus import InvalidMessage
from shared.kit.dead_messages import error_summary

TIMEOUT_SECONDS = 5
BROKER_ERRORS = (AMQPError, OSError, TimeoutError, asyncio.TimeoutError, RuntimeError)
VERSION = ".v2"
# RabbitMQ 4 drops what it has delivered 20 times in vain; 3.x never does. The limit is explicit, so that both do the same.
DELIVERY_LIMIT = 20
# Reading a dead letter and putting it back counts as a delivery. RabbitMQ 3 knows no other way to say "without limit".
NO_DELIVERY_LIMIT = 1_000_000_000
QUORUM = {"x-queue-type": "quorum"}
ATTEMPT_HEADER, ERROR_HEADER, REPLAY_HEADER = "x-careslot-attempt", "x-careslot-why", "x-careslot-replay"


def suffixes(delays: Sequence[float]) -> list[str]:
    """Return what the names of a consumer's queues end with: dead letters, retries, and the empty suffix of the queue itself."""
    return [".dead", *(_retry_suffix(seconds) for seconds in delays), ""]


def queue_names(queue: str, delays: Sequence[float]) -> list[str]:
    """Return the names of all queues of a consumer."""
    return [f"{queue}{VERSION}{suffix}" for suffix in suffixes(delays)]


def dead_letter_queue(queue: str) -> str:
    """Return the name of the queue of a consumer's dead letters."""
    return f"{queue}{VERSION}.dead"


def consumed_queue(queue: str) -> str:
    """Return the name of the queue that a consumer consumes."""
    return f"{queue}{VERSION}"


async def declare_with_retries(channel: Any, queue: str, delays: Sequence[float]) -> tuple[Any, Any]:
    """Declare the queues of a consumer, with a retry queue for each delay (in seconds); return the consumed one and that of dead letters.

    A message in a retry queue expires after the delay, and the broker then moves it back into the consumed queue. A message that was
    delivered DELIVERY_LIMIT times without an answer, because each time the consumer died, becomes a dead letter.
    """

    async def declare(suffix: str, **arguments: Any) -> Any:
        all_arguments = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()} | QUORUM
        return await channel.declare_queue(f"{queue}{VERSION}{suffix}", durable=True, arguments=all_arguments, timeout=TIMEOUT_SECONDS)

    dead = await declare(".dead", delivery_limit=NO_DELIVERY_LIMIT)
    consumed = await declare("", delivery_limit=DELIVERY_LIMIT, **_dead_letters_to(dead_letter_queue(queue)))
    for seconds in delays:
        await declare(_retry_suffix(seconds), message_ttl=int(seconds * 1000), **_dead_letters_to(f"{queue}{VERSION}"))
    return consumed, dead


def persistent_message(body: bytes, message_id: str | None, headers: dict[str, Any]) -> aio_pika.Message:
    """Return a message with an event that the broker writes to disk."""
    content_type, mode = "application/cloudevents+json", aio_pika.DeliveryMode.PERSISTENT
    return aio_pika.Message(body, message_id=message_id, content_type=content_type, delivery_mode=mode, headers=headers)


def next_queue(queue: str, message: AbstractIncomingMessage, error: Exception, delays: Sequence[float]) -> tuple[str, dict[str, Any]]:
    """Return the queue in which a message waits after its handler failed, and its new headers.

    This is the retry queue with the next delay, or the queue of dead letters after the last delay or when the message is invalid.
    """
    attempt = header_number(message, ATTEMPT_HEADER)
    is_dead = isinstance(error, InvalidMessage) or attempt >= len(delays)
    target = dead_letter_queue(queue) if is_dead else f"{queue}{VERSION}{_retry_suffix(delays[attempt])}"
    replay = {REPLAY_HEADER: number} if (number := header_number(message, REPLAY_HEADER)) else {}
    return target, {ATTEMPT_HEADER: attempt + 1, ERROR_HEADER: error_summary(error)} | replay


def header_number(message: AbstractIncomingMessage, name: str) -> int:
    """Return a number that this module wrote into a header, 0 without the header."""
    return int(str(message.headers.get(name, 0)))


def _retry_suffix(seconds: float) -> str:
    return f".retry.{seconds}s"


def _dead_letters_to(queue: str) -> dict[str, Any]:
    """Return the arguments with which the broker keeps a message that leaves the declared queue until `queue` has confirmed it."""
    return {
        "dead_letter_exchange": "",
        "dead_letter_routing_key": queue,
        "dead_letter_strategy": "at-least-once",
        "overflow": "reject-publish",  # at-least-once needs it; without a maximum length nothing is ever rejected
    }
