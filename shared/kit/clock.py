"""Clocks. Only this module reads the clock of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Returns the present instant, aware and in UTC."""


def system_clock() -> datetime:
    """Return the machine's time, aware and in UTC."""
    return datetime.now(UTC)


def system_timestamp() -> float:
    """Return the current time in seconds since the Unix epoch, for log lines."""
    return time.time()


class MovableClock:
    """A clock for development and tests. It starts at `starts_at` and runs like the machine's, or stands still with `running=False`."""

    def __init__(self, starts_at: datetime | None = None, *, running: bool = True) -> None:
        self._running = running
        self._base = starts_at or system_clock()
        self._base_set_at = system_clock()

    def __call__(self) -> datetime:
        return self._base + (system_clock() - self._base_set_at if self._running else timedelta())

    def set(self, instant: datetime) -> None:
        """Make `instant` (aware) the present; a running clock goes on from there."""
        self._base, self._base_set_at = instant.astimezone(UTC), system_clock()

    def advance(self, by: timedelta) -> None:
        """Move the clock by a duration, which may be negative."""
        self.set(self() + by)
