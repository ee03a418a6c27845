"""Deadlines: how long the caller of the current request still waits. Each call to another service passes on less than what is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MIN_SECONDS = 0.05
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""A moment of `time.monotonic()`; None in a job, which has no caller."""


def remaining_seconds(limit: float) -> float:
    """Return the seconds until the deadline, at most `limit` and at least MIN_SECONDS. Without a deadline, return `limit`."""
    until = deadline.get()
    return limit if until is None else max(min(until - time.monotonic(), limit), MIN_SECONDS)


@contextmanager
def shorten_deadline(seconds: float) -> Iterator[None]:
    """Set the deadline of the calls inside to `seconds` from now, unless there is an earlier one already."""
    token = deadline.set(time.monotonic() + remaining_seconds(seconds))
    try:
        yield
    finally:
        deadline.reset(token)
