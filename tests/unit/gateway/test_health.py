"""Which services are up: concurrent calls share one check, and its result counts for a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

from gateway_svc.usecases.health import CACHE_SECONDS, PlatformHealth
from shared.contracts.identity import Service

NEIGHBOURS = set(Service) - {Service.GATEWAY}


@dataclass
class FakeUpstreams:
    """Answers when `may_answer` is set. `asked` counts the requests to each service."""

    down: set[Service] = field(default_factory=set)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    asked: Counter[Service] = field(default_factory=Counter)

    async def try_get(self, service: Service, path: str, timeout_seconds: float) -> Any:
        self.asked[service] += 1
        await self.may_answer.wait()
        return None if service in self.down else b""


class Stopwatch:
    """A monotonic clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def health_of(upstreams: FakeUpstreams, stopwatch: Stopwatch) -> PlatformHealth:
    return PlatformHealth(cast(Any, upstreams), [], stopwatch)


async def test_concurrent_calls_share_one_check() -> None:
    upstreams = FakeUpstreams(down={Service.PATIENT})
    health = health_of(upstreams, Stopwatch())
    calls = [asyncio.create_task(health.check_all()) for _ in range(50)]
    await asyncio.sleep(0)
    calls[0].cancel()
    upstreams.may_answer.set()
    states = await asyncio.gather(*calls[1:])
    assert all(state == states[0] for state in states)
    assert {service for service, state in states[0].items() if state == "down"} == {Service.PATIENT}
    assert upstreams.asked == dict.fromkeys(NEIGHBOURS, 1)


async def test_a_result_counts_for_a_second() -> None:
    upstreams, stopwatch = FakeUpstreams(), Stopwatch()
    upstreams.may_answer.set()
    health = health_of(upstreams, stopwatch)
    await health.check_all()
    upstreams.down = {Service.DOCTOR}
    stopwatch.now = CACHE_SECONDS - 0.01
    assert (await health.check_all())[Service.DOCTOR] == "up"
    stopwatch.now = CACHE_SECONDS
    assert (await health.check_all())[Service.DOCTOR] == "down"
    assert upstreams.asked == dict.fromkeys(NEIGHBOURS, 2)
