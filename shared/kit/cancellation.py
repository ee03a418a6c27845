"""Being cancelled for good."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def propagate_cancellation() -> Iterator[None]:
    """A cancellation that comes within ends what is within, even when it was lost there or became an error.

    `asyncio.wait_for` of Python 3.11 loses one that comes together with its result, and drivers open their connections with it. A loop
    that must end by being cancelled would then go on for ever.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
