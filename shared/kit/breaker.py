"""A circuit breaker for one address: after several failures in a row no calls are made for a while; then one call tries the address."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

MAX_FAILURES, OPEN_SECONDS = 5, 2.0


@dataclass(slots=True)
class Breaker:
    """The state of one circuit breaker.

    Closed: all calls may be made. Open, after MAX_FAILURES in a row: no call may be made for OPEN_SECONDS. Half open, after that: one call
    may be made; its success closes the breaker, its failure opens it again.
    """

    monotonic: Callable[[], float] = time.monotonic
    failures: int = 0
    open_until: float = 0.0

    @property
    def is_open(self) -> bool:
        """True while no call may be made."""
        return self.failures >= MAX_FAILURES and self.monotonic() < self.open_until

    def admit(self) -> bool:
        """Return whether a call may be made now. When half open, this opens the breaker again for the next callers."""
        if self.is_open:
            return False
        if self.failures >= MAX_FAILURES:
            self.open_until = self.monotonic() + OPEN_SECONDS
        return True

    def record_success(self) -> None:
        """Close the breaker."""
        self.failures = 0

    def record_failure(self) -> None:
        """Count a failure; the one that makes MAX_FAILURES in a row opens the breaker."""
        self.failures += 1
        self.open_until = self.monotonic() + OPEN_SECONDS
