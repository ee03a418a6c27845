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
    may be made; its success closes the breaker, its failure opens it again. A call that the caller itself gave up,
    for example because it was cancelled, counts neither as a failure nor as a success; when half open, the next call may be made at once.
    """

    monotonic: Callable[[], float] = time.monotonic
    failures: int = 0
    open_until: float = 0.0
    is_probing: bool = False

    @property
    def is_open(self) -> bool:
        """True while no call may be made."""
        return self.failures >= MAX_FAILURES and self.monotonic() < self.open_until

    def admit(self) -> bool:
        """Return whether a call may be made now. When half open, this opens the breaker again for the next callers.

        After each admitted call, one of the `record_` methods must be called.
        """
        if self.is_open:
            return False
        if self.failures >= MAX_FAILURES:
            self.open_until, self.is_probing = self.monotonic() + OPEN_SECONDS, True
        return True

    def record_success(self) -> None:
        """Close the breaker."""
        self.failures, self.is_probing = 0, False

    def record_failure(self) -> None:
        """Count a failure; the one that makes MAX_FAILURES in a row opens the breaker."""
        self.failures += 1
        self.open_until, self.is_probing = self.monotonic() + OPEN_SECONDS, False

    def record_abandoned(self) -> None:
        """Leave the count as it is, because the caller itself gave the call up. When half open, admit the next call."""
        if self.is_probing:
            self.open_until, self.is_probing = self.monotonic(), False
