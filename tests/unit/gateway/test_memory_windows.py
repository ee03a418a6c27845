"""Moving windows in memory: exact in time, bounded in memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass

import pytest

from gateway_svc.clients.memory_windows import MemoryWindows
from gateway_svc.clients.window_counter import WindowCounter
from gateway_svc.domain.rate_limits import PER_ADDRESS, SIGN_IN, Admission, ClientLimit


@dataclass
class Seconds:
    """A clock in hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


async def count(counter: WindowCounter, client: str = "a", *limits: str) -> Admission:
    return await counter.count([ClientLimit(SIGN_IN, client)])


async def test_in_no_60_seconds_are_there_more_requests_than_the_limit(clock: Seconds) -> None:
    counter = WindowCounter(MemoryWindows(clock), clock)
    admitted: list[float] = []
    while clock.now < 1300:
        if (await count(counter)).is_admitted:
            admitted.append(clock.now)
        clock.now += 0.5
    assert len(admitted) == 5 * 20
    assert all(later - earlier > 60 for earlier, later in zip(admitted, admitted[20:], strict=False))


async def test_what_is_left_and_when_there_is_more(clock: Seconds) -> None:
    counter = WindowCounter(MemoryWindows(clock), clock)
    for expected in range(19, -1, -1):
        (quota,) = (await count(counter)).quotas
        assert (quota.remaining, quota.reset_seconds) == (expected, 60 - (19 - expected))
        clock.now += 1
    refused = await count(counter)
    assert (refused.is_admitted, refused.quotas[0].remaining, refused.retry_after_seconds) == (False, 0, 40)
    clock.now += 40.5
    (quota,) = (await count(counter)).quotas
    assert (quota.remaining, quota.reset_seconds) == (0, 1)


async def test_a_client_that_keeps_trying_gets_through_when_its_oldest_request_is_a_minute_old(clock: Seconds) -> None:
    counter = WindowCounter(MemoryWindows(clock), clock)
    for _ in range(500):
        await count(counter)
    clock.now += 60.5
    assert (await count(counter)).is_admitted


async def test_addresses_that_are_gone_need_no_memory(clock: Seconds) -> None:
    storage = MemoryWindows(clock)
    for number in range(5000):
        await storage.acquire_entry(f"address {number}", 300, 60)
        clock.now += 1
    assert len(storage._windows) <= 61
    assert storage._times_count == len(storage._windows)


async def test_an_attacker_with_many_addresses_does_not_fill_the_memory(clock: Seconds) -> None:
    storage = MemoryWindows(clock, max_keys=1000, max_times=5000)
    tracemalloc.start()
    try:
        for number in range(20_000):
            await storage.acquire_entry(f"LIMITER/address/2001:db8:0:{number:x}::/64/300/1/minute", 300, 60)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(storage._windows) == 1000
    assert size < 1000 * 700
    for _ in range(10_000):
        await storage.acquire_entry("one address", 10_000, 60)
    assert storage._times_count <= 5000


async def test_a_window_takes_no_more_than_twice_its_limit(clock: Seconds) -> None:
    storage = MemoryWindows(clock)
    for _ in range(1000):
        assert await storage.acquire_entry("a", 10, 60)
        clock.now += 10
        assert len(storage._windows["a"].times) <= 20
    assert (await storage.get_moving_window("a", 10, 60))[1] == 6


async def test_the_least_recently_used_clients_are_forgotten_first(clock: Seconds) -> None:
    storage = MemoryWindows(clock, max_keys=3)
    for key in ("a", "b", "c", "a", "d"):
        await storage.acquire_entry(key, 2, 60)
    assert [await storage.get_moving_window(key, 2, 60) for key in "abcd"] == [(1000, 2), (1000, 0), (1000, 1), (1000, 1)]


async def test_an_exhausted_limit_of_a_route_costs_nothing_of_the_general_limit(clock: Seconds) -> None:
    counter = WindowCounter(MemoryWindows(clock), clock)
    both = [ClientLimit(PER_ADDRESS, "a"), ClientLimit(SIGN_IN, "a")]
    for _ in range(50):
        admission = await counter.count(both)
    assert not admission.is_admitted
    assert [quota.remaining for quota in admission.quotas] == [280, 0]


async def test_an_exhausted_general_limit_costs_nothing_of_the_limit_of_a_route(clock: Seconds) -> None:
    counter = WindowCounter(MemoryWindows(clock), clock)
    for _ in range(300):
        await counter.count([ClientLimit(PER_ADDRESS, "a")])
    admission = await counter.count([ClientLimit(PER_ADDRESS, "a"), ClientLimit(SIGN_IN, "a")])
    assert not admission.is_admitted
    assert [quota.remaining for quota in admission.quotas] == [0, 20]
