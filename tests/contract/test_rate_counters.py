"""Both adapters of RateCounter: in memory and in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from gateway_svc.clients.redis_counter import open_redis_counter
from gateway_svc.clients.window_counter import memory_counter
from gateway_svc.domain.rate_limits import PER_ADDRESS, SIGN_IN, ClientLimit
from gateway_svc.ports import RateCounter, RateStoreUnavailable
from tests.faults.breakable_proxy import BreakableProxy

TIMEOUT_SECONDS = 30.0  # the machine of the tests may be busy


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.needs_servers("REDIS"))])
async def counter(request: pytest.FixtureRequest) -> AsyncIterator[RateCounter]:
    if request.param == "memory":
        yield memory_counter()
        return
    async with open_redis_counter(request.getfixturevalue("redis_url"), TIMEOUT_SECONDS) as opened:
        yield opened


@pytest.fixture
def client() -> str:
    return f"client {uuid4()}"


async def test_a_limit_admits_exactly_its_requests(counter: RateCounter, client: str) -> None:
    admissions = [await counter.count([ClientLimit(SIGN_IN, client)]) for _ in range(22)]
    assert [admission.is_admitted for admission in admissions] == [True] * 20 + [False] * 2
    assert [admission.quotas[0].remaining for admission in admissions] == [*range(19, -1, -1), 0, 0]
    assert all(50 < admission.quotas[0].reset_seconds <= 60 for admission in admissions)
    assert (await counter.count([ClientLimit(SIGN_IN, f"{client} 2")])).is_admitted


async def test_a_request_counts_against_all_of_its_limits_or_against_none(counter: RateCounter, client: str) -> None:
    both = [ClientLimit(PER_ADDRESS, client), ClientLimit(SIGN_IN, client)]
    admissions = [await counter.count(both) for _ in range(25)]
    assert [admission.is_admitted for admission in admissions] == [True] * 20 + [False] * 5
    assert [quota.remaining for quota in admissions[-1].quotas] == [280, 0]


async def test_requests_at_the_same_moment_are_not_admitted_beyond_the_limit(counter: RateCounter, client: str) -> None:
    admissions = await asyncio.gather(*(counter.count([ClientLimit(SIGN_IN, client)]) for _ in range(60)))
    assert sum(admission.is_admitted for admission in admissions) == 20


async def test_two_gateways_share_one_limit(redis_url: str, client: str) -> None:
    async with open_redis_counter(redis_url, TIMEOUT_SECONDS) as first, open_redis_counter(redis_url, TIMEOUT_SECONDS) as second:
        admissions = [await counter.count([ClientLimit(SIGN_IN, client)]) for _ in range(11) for counter in (first, second)]
    assert sum(admission.is_admitted for admission in admissions) == 20


async def test_a_redis_server_that_cannot_be_reached_is_unavailable() -> None:
    async with open_redis_counter("redis://127.0.0.1:1") as counter:
        with pytest.raises(RateStoreUnavailable, match="ConnectionError"):
            await counter.count([ClientLimit(SIGN_IN, "a")])


async def read_and_answer_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_a_redis_server_that_does_not_answer_delays_a_request_by_no_more_than_the_deadline() -> None:
    server = await asyncio.start_server(read_and_answer_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(TIMEOUT_SECONDS), open_redis_counter(f"redis://127.0.0.1:{port}") as counter:
        for _ in range(3):
            with pytest.raises(RateStoreUnavailable, match="Timeout"):
                await counter.count([ClientLimit(SIGN_IN, "a")])


async def test_a_redis_server_that_restarts_is_used_again(redis_url: str, client: str) -> None:
    host, _, port = redis_url.rpartition("/")[2].partition(":")
    proxy = BreakableProxy(host, int(port))
    try:
        async with open_redis_counter(f"redis://127.0.0.1:{proxy.port}", TIMEOUT_SECONDS) as counter:
            assert (await counter.count([ClientLimit(SIGN_IN, client)])).quotas[0].remaining == 19
            proxy.disconnect()
            with pytest.raises(RateStoreUnavailable):
                await counter.count([ClientLimit(SIGN_IN, client)])
            proxy.reconnect()
            assert (await counter.count([ClientLimit(SIGN_IN, client)])).quotas[0].remaining == 18
    finally:
        proxy.close()
