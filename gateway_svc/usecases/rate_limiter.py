"""Counts requests against the rate limits, and decides which are refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from gateway_svc.domain.rate_limits import Admission, ClientLimit, RateLimits
from gateway_svc.ports import RateCounter, RateStoreUnavailable
from shared.kit.breaker import Breaker
from shared.kit.logs import log_event


@dataclass(slots=True)
class RateLimiter:
    """Counts in the store that all gateways share; without one, or while it does not answer, in the memory of this process.

    A store that fails five times in a row is not called for 2 s, so that it delays only a few requests. The log has one line when that
    begins and one when the store answers again. `count_fallback` is called for each request that is counted in memory although there is a
    store.
    """

    limits: RateLimits
    own_counter: RateCounter
    shared_counter: RateCounter | None = None
    count_fallback: Callable[[], None] = lambda: None
    _breaker: Breaker = field(default_factory=Breaker)
    _is_failing: bool = False

    async def admit(self, method: str, path: str, account_id: UUID | None, address_block: str) -> Admission:
        """Count a request, unless one of its limits is exhausted. `account_id` is None without a valid token."""
        client_limits = self.limits.of_request(method, path, account_id, address_block)
        if not client_limits:
            return Admission(True, ())
        if self.shared_counter is not None:
            if (admission := await self._try_shared(self.shared_counter, client_limits)) is not None:
                return admission
            self.count_fallback()
        return await self.own_counter.count(client_limits)

    async def _try_shared(self, counter: RateCounter, client_limits: Sequence[ClientLimit]) -> Admission | None:
        """Count in the shared store. Return None if it does not answer, or is not called after its failures."""
        if not self._breaker.admit():
            return None
        try:
            admission = await counter.count(client_limits)
        except RateStoreUnavailable as error:
            self._breaker.record_failure()
            if self._breaker.is_open and not self._is_failing:
                self._is_failing = True
                log_event("rate_store_unavailable", logging.ERROR, reason=str(error))
            return None
        self._breaker.record_success()
        if self._is_failing:
            self._is_failing = False
            log_event("rate_store_recovered")
        return admission
