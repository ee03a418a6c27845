"""The bus on RabbitMQ: publisher confirms, quorum queues, and retry queues and dead letters that need no plugin."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import PublishError

from shared.kit.bus import DELAYS_SECONDS, EXCHANGE, Handlers, PublishFailed, Unroutable, dispatch_message
from shared.kit.dead_messages import KeepDeadMessage
from shared.kit.error_texts import describe_error
from shared.kit.logs import log_event
from shared.kit.rabbit_dead_letters import hand_over_dead_message
from shared.kit.rabbit_old_queues import OldQueues
from shared.kit.rabbit_retries import (
    BROKER_ERRORS,
    REPLAY_HEADER,
    TIMEOUT_SECONDS,
    consumed_queue,
    declare_with_retries,
    next_queue,
    persistent_message,
)

REQUEUE_SECONDS = 1  # without a pause a message would reach DELIVERY_LIMIT within milliseconds while its retry queue cannot take it


class RabbitBus:
    """Opened with `async with`, which waits for the broker for `startup_seconds` and then goes on without it.

    Subscriptions that are made while the broker is away are declared as soon as it answers.
    """

    def __init__(
        self,
        url: str,
        *,
        prefetch: int = 8,
        delays: Sequence[float] = DELAYS_SECONDS,
        exchange: str = EXCHANGE,
        startup_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._url, self._prefetch, self._delays = url, prefetch, delays
        self._exchange_name, self._startup_seconds = exchange, startup_seconds
        self._connection: AbstractRobustConnection | None = None
        self._exchange: Any = None
        self._publish_lock = asyncio.Lock()
        self._subscriptions: list[tuple[str | None, Handlers, KeepDeadMessage | None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.create_task(self._connect(), name="connect to the bus"))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._startup_seconds):
                await self._ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        """Publish to the exchange. Returns after the broker's confirm. Raises Unroutable or PublishFailed."""
        if self._exchange is None:
            raise PublishFailed("the broker does not answer")
        await self._publish(self._exchange, topic, message_id, body)

    async def subscribe(self, queue: str, handlers: Handlers, keep_dead: KeepDeadMessage | None = None) -> None:
        """Declare the durable queue with its retry queues and dead letters. Consume it, and with `keep_dead` the dead letters."""
        await self._add_subscription(queue, handlers, keep_dead)

    async def redeliver(self, queue: str, message_id: str, body: bytes, replay: int) -> None:
        """Publish to the default exchange, which puts the message into the queue alone. Returns after the broker's confirm."""
        if self._exchange is None:
            raise PublishFailed("the broker does not answer")
        await self._publish(self._channel.default_exchange, consumed_queue(queue), message_id, body, {REPLAY_HEADER: replay})

    async def subscribe_broadcast(self, handlers: Handlers) -> None:
        """Consume an exclusive queue of this connection; the broker deletes it when the connection ends."""
        await self._add_subscription(None, handlers, None)

    async def check(self) -> None:
        """Raise PublishFailed while there is no connection to the broker."""
        if self._connection is None or not self._connection.connected.is_set():
            raise PublishFailed("the broker does not answer")

    async def _publish(self, exchange: Any, routing_key: str, message_id: str | None, body: bytes, headers: Any = None) -> None:
        message = persistent_message(body, message_id, headers or {})
        try:
            async with self._publish_lock:  # one message at a time: a returned message would fail another's confirm
                await exchange.publish(message, routing_key, mandatory=True, timeout=TIMEOUT_SECONDS)
        except PublishError as error:
            raise Unroutable("no service has subscribed to the topic") from error
        except BROKER_ERRORS as error:
            raise PublishFailed(describe_error(error)) from error

    async def _add_subscription(self, queue: str | None, handlers: Handlers, keep_dead: KeepDeadMessage | None) -> None:
        self._subscriptions.append((queue, handlers, keep_dead))
        if self._ready.is_set():
            await self._consume(queue, handlers, keep_dead)

    async def _connect(self) -> None:
        """Retry until the first connection is open. When it is lost later, aio_pika itself reconnects, declares and consumes again."""
        while not self._ready.is_set():
            try:
                self._connection = await aio_pika.connect_robust(self._url, timeout=TIMEOUT_SECONDS, reconnect_interval=1, heartbeat=15)
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                self._exchange = await self._channel.declare_exchange(self._exchange_name, "topic", durable=True, timeout=TIMEOUT_SECONDS)
                for subscription in self._subscriptions:
                    await self._consume(*subscription)
                self._ready.set()
            except BROKER_ERRORS as error:
                log_event("broker_unreachable", logging.WARNING, broker=urlsplit(self._url).hostname, reason=describe_error(error))
                await self._disconnect()
                await asyncio.sleep(1)

    async def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(*BROKER_ERRORS):
                await self._connection.close()
        self._connection = self._exchange = None

    async def _consume(self, queue: str | None, handlers: Handlers, keep_dead: KeepDeadMessage | None) -> None:
        """Declare the queue on a separate channel, bind it to the events' topics and start to consume it, and its dead letters."""
        assert self._connection is not None
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=self._prefetch, timeout=TIMEOUT_SECONDS)
        exchange = await channel.get_exchange(self._exchange_name, ensure=False)
        if queue is None:
            declared = await channel.declare_queue(exclusive=True, auto_delete=True, timeout=TIMEOUT_SECONDS)
        else:
            declared, dead = await declare_with_retries(channel, queue, self._delays)
        for event_type in handlers:
            await declared.bind(exchange, event_type.topic, timeout=TIMEOUT_SECONDS)
        await declared.consume(functools.partial(self._handle, queue, handlers), timeout=TIMEOUT_SECONDS)
        if queue is not None and keep_dead is not None:
            await dead.consume(functools.partial(hand_over_dead_message, keep_dead), timeout=TIMEOUT_SECONDS)
        if queue is not None:
            old_queues = OldQueues(self._url, self._exchange_name, queue, self._delays, [event_type.topic for event_type in handlers])
            self._tasks.append(asyncio.create_task(old_queues.move(), name=f"move the old queues of {queue}"))

    async def _handle(self, queue: str | None, handlers: Handlers, message: AbstractIncomingMessage) -> None:
        """Acknowledge the message after its handler succeeded, or after its next retry queue or the dead letters have taken it."""
        try:
            await dispatch_message(handlers, message.body)
        except Exception as error:
            log_event("delivery_failed", logging.WARNING, queue=queue, reason=describe_error(error))
            if queue is not None:
                target, headers = next_queue(queue, message, error, self._delays)
                try:
                    await self._publish(self._channel.default_exchange, target, message.message_id, message.body, headers)
                except PublishFailed:
                    await asyncio.sleep(REQUEUE_SECONDS)
                    with suppress(*BROKER_ERRORS):
                        return await message.nack(requeue=True)
        with suppress(*BROKER_ERRORS):
            await message.ack()
