"""How long the one who asks still waits: every hop shortens it, and nothing is done for a caller that gave up."""

from __future__ import annotations

import time
from contextvars import ContextVar

SHORTEST_SECONDS = 0.05
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def remaining_seconds(most: float) -> float:
    """Seconds that are left, `most` at the most; a job without a caller has `most`."""
    until = deadline.get()
    return most if until is None else max(min(until - time.monotonic(), most), SHORTEST_SECONDS)
