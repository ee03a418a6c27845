"""Counts requests with the moving-window strategy of the `limits` library, on one of its storages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter

from gateway_svc.clients.memory_windows import MemoryWindows
from gateway_svc.domain.rate_limits import WINDOW_SECONDS, Admission, ClientLimit, Quota


class WindowCounter:
    """Implements RateCounter on a storage of the library. `now` is the clock of the storage's windows, in seconds."""

    def __init__(self, storage: Storage, now: Callable[[], float]) -> None:
        self._limiter, self._now = MovingWindowRateLimiter(storage), now
        self._items: dict[int, RateLimitItemPerMinute] = {}

    async def count(self, client_limits: Sequence[ClientLimit]) -> Admission:
        """Count a request against all of the limits, or against none if one of them is exhausted.

        Two gateways that count at the same moment can both find one request left. The limit then refuses one of them, and the other limits
        may have counted it.
        """
        quotas = [await self._read_quota(client_limit) for client_limit in client_limits]
        if not all(quota.remaining for quota in quotas):
            return Admission(False, tuple(quotas))
        for index, client_limit in enumerate(client_limits):
            quota = quotas[index]
            if not await self._limiter.hit(self._item_of(client_limit), *_identifiers(client_limit)):
                quotas[index] = Quota(quota.limit, 0, quota.reset_seconds)
                return Admission(False, tuple(quotas))
            quotas[index] = Quota(quota.limit, quota.remaining - 1, quota.reset_seconds)
        return Admission(True, tuple(quotas))

    async def _read_quota(self, client_limit: ClientLimit) -> Quota:
        stats = await self._limiter.get_window_stats(self._item_of(client_limit), *_identifiers(client_limit))
        reset_seconds = math.ceil(stats.reset_time - self._now())
        return Quota(client_limit.limit, max(0, stats.remaining), min(max(1, reset_seconds), WINDOW_SECONDS))

    def _item_of(self, client_limit: ClientLimit) -> RateLimitItemPerMinute:
        requests = client_limit.limit.requests
        item = self._items.get(requests)
        if item is None:
            item = self._items[requests] = RateLimitItemPerMinute(requests)
        return item


def _identifiers(client_limit: ClientLimit) -> tuple[str, str]:
    return client_limit.limit.name, client_limit.client


def memory_counter() -> WindowCounter:
    """Return a counter in the memory of this process."""
    return WindowCounter(MemoryWindows(), time.monotonic)
