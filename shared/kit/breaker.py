"""A circuit breaker per address: after some failures in a row it is left alone for a while, then tried by one call."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

FAILURES, REST_SECONDS = 5, 2.0


@dataclass(slots=True)
class Breaker:
    monotonic: Callable[[], float] = time.monotonic
    failures: int = 0
    rests_until: float = 0.0

    @property
    def is_open(self) -> bool:
        """True: do not call now."""
        return self.failures >= FAILURES and self.monotonic() < self.rests_until

    def admit(self) -> bool:
        """Whether one more call may go; in the half-open state only the first caller is admitted."""
        if self.is_open:
            return False
        if self.failures >= FAILURES:
            self.rests_until = self.monotonic() + REST_SECONDS
        return True

    def record_success(self) -> None:
        self.failures = 0

    def record_failure(self) -> None:
        self.failures += 1
        self.rests_until = self.monotonic() + REST_SECONDS
