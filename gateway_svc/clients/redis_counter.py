"""Counts requests in a Redis server that several gateways share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from limits.aio.storage import RedisStorage
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway_svc.clients.window_counter import WindowCounter
from gateway_svc.domain.rate_limits import Admission, ClientLimit
from gateway_svc.ports import RateStoreUnavailable
from shared.kit.clock import system_timestamp
from shared.kit.error_texts import describe_error

# After this time the request is counted in the memory of the gateway instead.
TIMEOUT_SECONDS = 0.1
MAX_CONNECTIONS = 32


class RedisCounter:
    """Implements RateCounter on a Redis server. Waits at most `timeout_seconds` for it."""

    def __init__(self, storage: RedisStorage, timeout_seconds: float) -> None:
        self._counter, self._timeout_seconds = WindowCounter(storage, system_timestamp), timeout_seconds

    async def count(self, client_limits: Sequence[ClientLimit]) -> Admission:
        """Count as WindowCounter does. Raises RateStoreUnavailable if the server does not answer in time, or refuses."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._counter.count(client_limits)
        except (RedisError, OSError, TimeoutError) as error:
            raise RateStoreUnavailable(describe_error(error)) from error


@asynccontextmanager
async def open_redis_counter(url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> AsyncIterator[RedisCounter]:
    """Open a counter on the Redis server at `url` (`redis://` or `rediss://`). It connects when it counts for the first time.

    The windows of a shared store use the time of the gateways' machines, whose clocks should agree within a second.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 1),
    )
    options: dict[str, Any] = {"connection_pool": pool}
    try:
        yield RedisCounter(RedisStorage("async+redis://", implementation="redispy", key_prefix="careslot", **options), timeout_seconds)
    finally:
        await pool.disconnect()
