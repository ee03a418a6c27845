"""Moves what waits in the queues of release 0.1.0 into those of today. To be removed together with the support of that release.

The queues of 0.1.0 have the names of today's without their VERSION. The consumed queue is deleted last: while it exists, there may be
something left to move.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.exceptions import ChannelClosed, ChannelNotFoundEntity

from shared.kit.error_texts import describe_error
from shared.kit.logs import log_event
from shared.kit.rabbit_retries import ATTEMPT_HEADER, BROKER_ERRORS, ERROR_HEADER, TIMEOUT_SECONDS, VERSION, persistent_message, suffixes

PAUSE_SECONDS = 2


@dataclass(frozen=True, slots=True)
class OldQueues:
    """The queues that release 0.1.0 declared for a consumer. `topics` are what the consumer subscribes to."""

    url: str
    exchange: str
    queue: str
    delays: Sequence[float]
    topics: Sequence[str]

    async def move(self) -> None:
        """Return when none of the old queues is left. It survives a lost broker, and only one instance of a service does it at a time.

        Today's queues have to be declared and bound before. An instance of 0.1.0 that still runs gets no new events from then on;
        what it has to do already stays its own, and the queues stay until it has ended.
        """
        while True:
            try:
                async with await aio_pika.connect(self.url, timeout=TIMEOUT_SECONDS) as connection:
                    if await self._move_once(connection):
                        return
            except BROKER_ERRORS as error:
                log_event("old_queues_wait", logging.WARNING, queue=self.queue, reason=describe_error(error))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _move_once(self, connection: Any) -> bool:
        """Move what waits now. Returns True when the old queues are deleted."""
        if await self._consumers(connection) is None:
            return True
        if not await self._lock(connection):
            return False
        await self._unbind(connection)
        if await self._consumers(connection):
            return False
        old_suffixes = suffixes(self.delays)
        moved = sum([await self._move_messages(connection, suffix) for suffix in old_suffixes])
        if moved:
            return False  # a message that expired in the meantime may be on its way from a retry queue to the consumed one
        for suffix in old_suffixes:
            await (await connection.channel()).queue_delete(f"{self.queue}{suffix}", timeout=TIMEOUT_SECONDS)
        return True

    async def _consumers(self, connection: Any) -> int | None:
        """Return the number of consumers of the old queue, or None when it does not exist."""
        channel = await connection.channel()
        try:
            declared = await channel.declare_queue(self.queue, passive=True, timeout=TIMEOUT_SECONDS)
        except ChannelNotFoundEntity:
            return None
        return int(declared.declaration_result.consumer_count or 0)

    async def _lock(self, connection: Any) -> bool:
        """Return whether this connection is the one that moves. An exclusive queue exists until the connection that declared it ends."""
        channel = await connection.channel()
        try:
            await channel.declare_queue(f"{self.queue}.moving", exclusive=True, timeout=TIMEOUT_SECONDS)
        except ChannelClosed:
            return False
        return True

    async def _unbind(self, connection: Any) -> None:
        queue = await (await connection.channel()).get_queue(self.queue, ensure=False)
        for topic in self.topics:
            await queue.unbind(self.exchange, topic, timeout=TIMEOUT_SECONDS)

    async def _move_messages(self, connection: Any, suffix: str) -> int:
        """Move the messages of one old queue, each acknowledged after the broker has confirmed its copy. Returns their number."""
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        queue = await channel.get_queue(f"{self.queue}{suffix}", ensure=False)
        moved = 0
        try:
            while message := await queue.get(fail=False, timeout=TIMEOUT_SECONDS):
                headers = {name: value for name, value in message.headers.items() if name in (ATTEMPT_HEADER, ERROR_HEADER)}
                copy = persistent_message(message.body, message.message_id, headers)
                await channel.default_exchange.publish(copy, f"{self.queue}{VERSION}{suffix}", mandatory=True, timeout=TIMEOUT_SECONDS)
                await message.ack()
                moved += 1
        except ChannelNotFoundEntity:
            return moved
        if moved:
            log_event("old_queue_moved", queue=f"{self.queue}{suffix}", messages=moved)
        return moved
