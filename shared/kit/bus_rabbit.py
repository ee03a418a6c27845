"""RabbitMQ behind the bus port: confirms, mandatory, quorum queues, delayed retries and dead letters without plugins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import AMQPError, PublishError

from shared.kit.bus import DELAYS_SECONDS, EXCHANGE, Handlers, InvalidMessage, PublishFailed, Unroutable, dispatch_message
from shared.kit.logs import log

TIMEOUT = 5
QUORUM = {"x-queue-type": "quorum"}
ATTEMPT = "x-careslot-attempt"
FAILURES = (AMQPError, OSError, TimeoutError, asyncio.TimeoutError, RuntimeError)


class RabbitBus:
    """Open with `async with`: it starts without the broker too, and does what it was asked to as soon as the broker answers."""

    def __init__(
        self, url: str, prefetch: int = 8, *, delays: Sequence[float] = DELAYS_SECONDS, exchange: str = EXCHANGE, patience: float = TIMEOUT
    ) -> None:
        self._url, self._prefetch, self._delays, self._named, self._patience = url, prefetch, delays, exchange, patience
        self._connection: AbstractRobustConnection | None = None
        self._exchange: Any = None
        self._turn = asyncio.Lock()
        self._wishes: list[tuple[str | None, Handlers]] = []
        self._ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._connecting = asyncio.create_task(self._connect(), name="bus connects")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connecting.cancel()
        await asyncio.gather(self._connecting, return_exceptions=True)
        await self._disconnect()

    async def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(*FAILURES):
                await self._connection.close()
        self._connection = self._exchange = None

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        """Returns after the broker's confirm; one publish at a time on the channel."""
        if self._exchange is None:
            raise PublishFailed("the broker does not answer")
        await self._put(self._exchange, topic, message_id, body)

    async def _put(self, exchange: Any, key: str, message_id: str | None, body: bytes, headers: dict[str, Any] | None = None) -> None:
        message = aio_pika.Message(
            body,
            message_id=message_id,
            content_type="application/cloudevents+json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers=headers or {},
        )
        try:
            async with self._turn:
                await exchange.publish(message, key, mandatory=True, timeout=TIMEOUT)
        except PublishError as why:
            raise Unroutable("no queue wants it yet") from why
        except FAILURES as why:
            raise PublishFailed(f"{type(why).__name__}: {why}") from why

    async def subscribe(self, queue: str, handlers: Handlers) -> None:
        await self._wish(queue, handlers)

    async def subscribe_broadcast(self, handlers: Handlers) -> None:
        await self._wish(None, handlers)

    async def check(self) -> None:
        if self._connection is None or not self._connection.connected.is_set():
            raise PublishFailed("the broker does not answer")

    async def _wish(self, queue: str | None, handlers: Handlers) -> None:
        self._wishes.append((queue, handlers))
        if self._ready.is_set():
            await self._fulfil(queue, handlers)

    async def _connect(self) -> None:
        while not self._ready.is_set():
            try:
                self._connection = await aio_pika.connect_robust(self._url, timeout=TIMEOUT, reconnect_interval=1, heartbeat=15)
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                topic = aio_pika.ExchangeType.TOPIC
                self._exchange = await self._channel.declare_exchange(self._named, topic, durable=True, timeout=TIMEOUT)
                for queue, handlers in self._wishes:
                    await self._fulfil(queue, handlers)
                self._ready.set()
            except FAILURES as why:
                log.warning("broker does not answer", extra={"facts": {"broker": urlsplit(self._url).hostname, "why": repr(why)}})
                await self._disconnect()
                await asyncio.sleep(1)

    async def _fulfil(self, queue: str | None, handlers: Handlers) -> None:
        assert self._connection is not None
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=self._prefetch, timeout=TIMEOUT)
        exchange = await channel.get_exchange(self._named, ensure=False)
        taken = await (self._durable(channel, queue) if queue else channel.declare_queue(exclusive=True, auto_delete=True, timeout=TIMEOUT))
        for kind in handlers:
            await taken.bind(exchange, kind.topic, timeout=TIMEOUT)

        async def consume(message: AbstractIncomingMessage) -> None:
            await self._one(queue, handlers, message)

        await taken.consume(consume, timeout=TIMEOUT)

    async def _durable(self, channel: Any, queue: str) -> Any:
        for seconds in self._delays:
            delays = {**QUORUM, "x-message-ttl": int(seconds * 1000), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
            await channel.declare_queue(f"{queue}.retry.{seconds}s", durable=True, arguments=delays, timeout=TIMEOUT)
        await channel.declare_queue(f"{queue}.dead", durable=True, arguments=QUORUM, timeout=TIMEOUT)
        return await channel.declare_queue(queue, durable=True, arguments=QUORUM, timeout=TIMEOUT)

    async def _one(self, queue: str | None, handlers: Handlers, message: AbstractIncomingMessage) -> None:
        try:
            await dispatch_message(handlers, message.body)
        except Exception as why:
            log.warning("delivery failed", extra={"facts": {"queue": queue, "why": repr(why)}})
            if queue is not None and not await self._again(queue, message, why):
                with suppress(*FAILURES):
                    return await message.nack(requeue=True)
        with suppress(*FAILURES):
            await message.ack()

    async def _again(self, queue: str, message: AbstractIncomingMessage, why: Exception) -> bool:
        """Puts the message into the next delay or among the dead, confirmed; False when the broker did not take it."""
        attempt = int(str(message.headers.get(ATTEMPT, 0)))
        given_up = isinstance(why, InvalidMessage) or attempt >= len(self._delays)
        target = f"{queue}.dead" if given_up else f"{queue}.retry.{self._delays[attempt]}s"
        try:
            headers = {ATTEMPT: attempt + 1, "x-careslot-why": repr(why)[:500]}
            await self._put(self._channel.default_exchange, target, message.message_id, message.body, headers)
        except PublishFailed:
            return False
        return True
