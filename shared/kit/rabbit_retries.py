"""Delayed retries and dead letters on RabbitMQ, by queues whose messages expire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from shared.kit.bus import InvalidMessage

TIMEOUT_SECONDS = 5
QUORUM = {"x-queue-type": "quorum"}
ATTEMPT_HEADER, ERROR_HEADER = "x-careslot-attempt", "x-careslot-why"
MAX_ERROR_LENGTH = 500


async def declare_with_retries(channel: Any, queue: str, delays: Sequence[float]) -> Any:
    """Declare a durable queue, a retry queue for each delay (in seconds) and the queue of dead letters; return the first.

    A message in a retry queue expires after the delay, and the broker then moves it back into `queue`.
    """
    for seconds in delays:
        back_to_queue = {"x-message-ttl": int(seconds * 1000), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
        arguments = {**QUORUM, **back_to_queue}
        await channel.declare_queue(f"{queue}.retry.{seconds}s", durable=True, arguments=arguments, timeout=TIMEOUT_SECONDS)
    await channel.declare_queue(f"{queue}.dead", durable=True, arguments=QUORUM, timeout=TIMEOUT_SECONDS)
    return await channel.declare_queue(queue, durable=True, arguments=QUORUM, timeout=TIMEOUT_SECONDS)


def next_queue(queue: str, message: AbstractIncomingMessage, error: Exception, delays: Sequence[float]) -> tuple[str, dict[str, Any]]:
    """Return the queue in which a message waits after its handler failed, and its new headers.

    This is the retry queue with the next delay, or the queue of dead letters after the last delay or when the message is invalid.
    """
    attempt = int(str(message.headers.get(ATTEMPT_HEADER, 0)))
    is_dead = isinstance(error, InvalidMessage) or attempt >= len(delays)
    target = f"{queue}.dead" if is_dead else f"{queue}.retry.{delays[attempt]}s"
    return target, {ATTEMPT_HEADER: attempt + 1, ERROR_HEADER: repr(error)[:MAX_ERROR_LENGTH]}
