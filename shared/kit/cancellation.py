"""A guard against cancellations that the code inside loses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def propagate_cancellation() -> Iterator[None]:
    """Raise CancelledError on leaving when the task was cancelled inside, even if the code inside lost or replaced that exception.

    `asyncio.wait_for` of Python 3.11 loses a cancellation that arrives together with its result, and database drivers use it to connect.
    A loop that is to end by cancellation would then run for ever.
    """
    task = asyncio.current_task()
    cancellations_before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > cancellations_before:
            raise asyncio.CancelledError
