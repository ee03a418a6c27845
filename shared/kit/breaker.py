"""A circuit breaker for one address: after failures in a row no calls go there for a while, then one call tries it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

FAILURES, OPEN_SECONDS = 5, 2.0


@dataclass(slots=True)
class Breaker:
    """Closed: calls go through. Open: none does. Half open, after OPEN_SECONDS: the next call goes through, others wait for its result."""

    monotonic: Callable[[], float] = time.monotonic
    failures: int = 0
    open_until: float = 0.0

    @property
    def is_open(self) -> bool:
        """True while no call may go through."""
        return self.failures >= FAILURES and self.monotonic() < self.open_until

    def admit(self) -> bool:
        """Return whether one call may go through now. When half open, this opens the breaker again for the next callers."""
        if self.is_open:
            return False
        if self.failures >= FAILURES:
            self.open_until = self.monotonic() + OPEN_SECONDS
        return True

    def record_success(self) -> None:
        """Close the breaker."""
        self.failures = 0

    def record_failure(self) -> None:
        """Count a failure; the one that makes FAILURES in a row opens the breaker."""
        self.failures += 1
        self.open_until = self.monotonic() + OPEN_SECONDS
