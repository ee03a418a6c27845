"""Hands the dead letters of a consumer on RabbitMQ to its service."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from shared.kit.dead_messages import UNKNOWN_ERROR, DeadMessage, KeepDeadMessage, without_text
from shared.kit.error_texts import describe_error
from shared.kit.logs import log_event
from shared.kit.rabbit_retries import ATTEMPT_HEADER, BROKER_ERRORS, DELIVERY_LIMIT, ERROR_HEADER, REPLAY_HEADER, header_number

PAUSE_SECONDS = 1  # while the service's database does not answer
UNANSWERED = "DeliveryLimit: the service ended each time while it handled the event"


async def hand_over_dead_message(keep_dead: KeepDeadMessage, message: AbstractIncomingMessage) -> None:
    """Acknowledge a dead letter after `keep_dead` has returned; otherwise put it back after a pause."""
    try:
        await keep_dead(dead_message(message))
    except Exception as error:
        log_event("dead_letter_not_kept", logging.WARNING, queue=message.routing_key, reason=describe_error(error))
        await asyncio.sleep(PAUSE_SECONDS)
        with suppress(*BROKER_ERRORS):
            await message.nack(requeue=True)
    else:
        with suppress(*BROKER_ERRORS):
            await message.ack()


def dead_message(message: AbstractIncomingMessage) -> DeadMessage:
    """Return what a message in the queue of dead letters says about itself."""
    attempts, replay = header_number(message, ATTEMPT_HEADER), header_number(message, REPLAY_HEADER)
    error = without_text(str(message.headers.get(ERROR_HEADER, UNKNOWN_ERROR)))
    if _was_never_answered(message):
        attempts, error = attempts + DELIVERY_LIMIT, UNANSWERED
    return DeadMessage(message.message_id or "", message.body, error, attempts, replay)


def _was_never_answered(message: AbstractIncomingMessage) -> bool:
    """Return whether the broker itself gave the message up, after DELIVERY_LIMIT deliveries; our own copies have no `x-death`."""
    deaths: Any = message.headers.get("x-death") or []
    return any(death.get("reason") == "delivery_limit" for death in deaths if isinstance(death, dict))
