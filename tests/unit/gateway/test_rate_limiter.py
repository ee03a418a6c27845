"""Rate limits while the shared store does not answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from io import StringIO

import pytest

from gateway_svc.clients.window_counter import memory_counter
from gateway_svc.domain.rate_limits import Admission, ClientLimit, RateLimits
from gateway_svc.ports import RateStoreUnavailable
from gateway_svc.usecases.rate_limiter import RateLimiter
from shared.kit.breaker import MAX_FAILURES, OPEN_SECONDS, Breaker
from shared.kit.logs import JsonLineHandler, log


class FakeStore:
    """A shared store that can be down."""

    def __init__(self) -> None:
        self.is_down, self.asked, self._counter = False, 0, memory_counter()

    async def count(self, client_limits: Sequence[ClientLimit]) -> Admission:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise RateStoreUnavailable("TimeoutError()")
        return await self._counter.count(client_limits)


class Limiter:
    """A rate limiter with a fake store, a clock in hand and a count of its fallbacks."""

    def __init__(self) -> None:
        self.now, self.fallbacks, self.store = 0.0, 0, FakeStore()
        breaker = Breaker(lambda: self.now)
        self.limiter = RateLimiter(RateLimits(0.1), memory_counter(), self.store, self._count_fallback, breaker)

    def _count_fallback(self) -> None:
        self.fallbacks += 1

    async def admit(self) -> Admission:
        return await self.limiter.admit("GET", "/doctors", None, "203.0.113.1")


@pytest.fixture
def log_lines() -> Iterator[StringIO]:
    output, before = StringIO(), (log.handlers, log.propagate, log.level)
    log.handlers, log.propagate, log.level = [JsonLineHandler(output)], False, logging.INFO
    yield output
    log.handlers, log.propagate, log.level = before


def messages(output: StringIO) -> list[str]:
    return [json.loads(line)["message"] for line in output.getvalue().splitlines()]


async def test_a_store_that_is_down_refuses_nobody_and_is_soon_not_asked_any_more(log_lines: StringIO) -> None:
    limiter = Limiter()
    limiter.store.is_down = True
    assert all([(await limiter.admit()).is_admitted for _ in range(25)])
    assert limiter.store.asked == MAX_FAILURES
    assert limiter.fallbacks == 25
    assert messages(log_lines) == ["rate_store_unavailable"], "one line, not one for each request"


async def test_each_gateway_keeps_the_limits_by_itself_meanwhile() -> None:
    limiter = Limiter()
    limiter.store.is_down = True
    assert [(await limiter.admit()).is_admitted for _ in range(31)] == [True] * 30 + [False]


async def test_a_store_that_is_back_is_used_again_within_two_seconds(log_lines: StringIO) -> None:
    limiter = Limiter()
    await limiter.admit()
    limiter.store.is_down = True
    for _ in range(10):
        await limiter.admit()
    limiter.store.is_down = False
    limiter.now += OPEN_SECONDS
    assert (await limiter.admit()).quotas[0].remaining == 28, "the store remembers the first request"
    assert limiter.fallbacks == 10
    assert messages(log_lines) == ["rate_store_unavailable", "rate_store_recovered"]


async def test_a_single_failure_is_counted_but_not_logged(log_lines: StringIO) -> None:
    limiter = Limiter()
    limiter.store.is_down = True
    assert (await limiter.admit()).is_admitted
    limiter.store.is_down = False
    await limiter.admit()
    assert (limiter.fallbacks, messages(log_lines)) == (1, [])
