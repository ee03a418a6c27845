"""A storage in memory for the `limits` library, with bounded memory and a monotonic clock.

The library's own storage starts a task at each request that goes through all keys, with a thread for each, and has no bound.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable

from limits.aio.storage import Storage

MAX_KEYS = 50_000
MAX_TIMES = 1_000_000
MAX_REMOVED_AT_ONCE = 16


class MemoryWindows(Storage):
    """Keeps the times of the accepted requests of each key until they are older than the window.

    A time takes 8 bytes and a key some 500 bytes: less than 40 MB with the default bounds. A key whose window is empty is removed. Beyond a
    bound the keys that were used least recently are removed, and count from zero again. That happens only with tens of thousands of
    addresses within a minute, and an attacker who has so many is not stopped by a limit per address.

    `now` returns seconds. It is monotonic real time, not the clock port: moving a development clock must neither refuse a client nor
    reset its count.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, *, max_keys: int = MAX_KEYS, max_times: int = MAX_TIMES) -> None:
        super().__init__()
        self._now, self._max_keys, self._max_times = now, max_keys, max_times
        self._windows: OrderedDict[str, _Window] = OrderedDict()  # the key that was used least recently is the first
        self._times_count = 0

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return ()

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` requests, unless more than `limit` would then be counted. Return whether they were counted."""
        now = self._now()
        window = self._windows.get(key)
        if amount > limit or (window is not None and window.is_full(limit - amount, now - expiry)):
            return False
        if window is None:
            window = self._windows[key] = _Window()
        else:
            self._windows.move_to_end(key)
        before = len(window.times)
        window.add(now, amount, limit)
        self._times_count += len(window.times) - before
        window.expires_at = now + expiry
        self._remove_windows(now)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return the time of the oldest request that counts, or the present, and the number of requests that count."""
        now = self._now()
        window = self._windows.get(key)
        if window is None:
            return now, 0
        first = bisect_left(window.times, now - expiry)
        count = len(window.times) - first
        return (window.times[first] if count else now), min(count, limit)

    def _remove_windows(self, now: float) -> None:
        """Remove some of the windows whose requests are all too old, and the least recently used ones beyond the bounds."""
        for _ in range(MAX_REMOVED_AT_ONCE):
            key, window = next(iter(self._windows.items()))
            is_above_bounds = len(self._windows) > self._max_keys or self._times_count > self._max_times
            if window.expires_at >= now and not is_above_bounds:
                return
            del self._windows[key]
            self._times_count -= len(window.times)
            if not self._windows:
                return

    # The rest of the library's interface; the moving window does not use it.

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError

    async def get(self, key: str) -> int:
        raise NotImplementedError

    async def get_expiry(self, key: str) -> float:
        raise NotImplementedError

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        count = len(self._windows)
        self._windows.clear()
        self._times_count = 0
        return count

    async def clear(self, key: str) -> None:
        window = self._windows.pop(key, None)
        self._times_count -= len(window.times) if window else 0


class _Window:
    """The times of the requests of one key, the oldest first. `expires_at` is when the last of them no longer counts."""

    __slots__ = ("expires_at", "times")

    def __init__(self) -> None:
        self.times = array("d")
        self.expires_at = 0.0

    def is_full(self, allowed: int, since: float) -> bool:
        """True if more than `allowed` requests were counted at `since` or later."""
        return len(self.times) > allowed and self.times[-1 - allowed] >= since

    def add(self, now: float, amount: int, limit: int) -> None:
        """Add `amount` requests. Old ones are removed only when half of the array is old, because removing at its front moves the rest."""
        for _ in range(amount):
            self.times.append(now)
        if len(self.times) > 2 * limit:
            del self.times[:-limit]
