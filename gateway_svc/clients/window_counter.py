"""Counts requests with the moving-window strategy of the `limits` library, on one of its storages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter

from gateway_svc.clients.memory_windows import MemoryWindows
from gateway_svc.domain.rate_limits import WINDOW_SECONDS, Admission, ClientLimit, Quota


class KeyedRateLimitItem(RateLimitItemPerMinute):
    """A limit of the library that builds its keys faster than the library, because that happens twice for each request."""

    __slots__ = ()

    def key_for(self, *identifiers: bytes | str | int | float) -> str:
        """Return the key of a client. It contains the amount: gateways with different scales do not count together."""
        return f"{identifiers[0]!s}/{self.amount}/{identifiers[1]!s}"


class WindowCounter:
    """Implements RateCounter on a storage of the library. `now` is the clock of the storage's windows, in seconds."""

    def __init__(self, storage: Storage, now: Callable[[], float]) -> None:
        self._limiter, self._now = MovingWindowRateLimiter(storage), now
        self._items: dict[int, RateLimitItem] = {}

    async def count(self, client_limits: Sequence[ClientLimit]) -> Admission:
        """Count a request against all of the limits, or against none if one of them is exhausted.

        Two gateways that count at the same moment can both find one request left. The limit then refuses one of them, and the other limits
        may have counted it.
        """
        windows = [await self._read_window(client_limit) for client_limit in client_limits]
        is_admitted = all(remaining > 0 for remaining, _ in windows)
        quotas = []
        for client_limit, (remaining, reset_seconds) in zip(client_limits, windows, strict=True):
            if is_admitted:
                is_admitted = await self._limiter.hit(self._item_of(client_limit), client_limit.limit.name, client_limit.client)
                remaining = remaining - 1 if is_admitted else 0
            quotas.append(Quota(client_limit.limit, remaining, reset_seconds))
        return Admission(is_admitted, tuple(quotas))

    async def _read_window(self, client_limit: ClientLimit) -> tuple[int, int]:
        """Return the number of requests that are left, and the seconds until there is one more."""
        stats = await self._limiter.get_window_stats(self._item_of(client_limit), client_limit.limit.name, client_limit.client)
        return max(0, stats.remaining), min(max(1, math.ceil(stats.reset_time - self._now())), WINDOW_SECONDS)

    def _item_of(self, client_limit: ClientLimit) -> RateLimitItem:
        requests = client_limit.limit.requests
        item = self._items.get(requests)
        if item is None:
            item = self._items[requests] = KeyedRateLimitItem(requests)
        return item


def memory_counter() -> WindowCounter:
    """Return a counter in the memory of this process."""
    return WindowCounter(MemoryWindows(), time.monotonic)
