"""Clocks: the only place that asks the machine for the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


class MovableClock:
    """A clock for development and tests: it runs with the machine's, from wherever it was put."""

    def __init__(self, starts_at: datetime | None = None, *, running: bool = True) -> None:
        self._running = running
        self._base = starts_at or system_clock()
        self._put_at = system_clock()

    def __call__(self) -> datetime:
        return self._base + (system_clock() - self._put_at if self._running else timedelta())

    def set(self, at: datetime) -> None:
        """From now on the time is `at` (aware), going on from there."""
        self._base, self._put_at = at.astimezone(UTC), system_clock()

    def advance(self, by: timedelta) -> None:
        self.set(self() + by)
