"""Leases on every SQL server: of several instances, one at a time runs a job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest

from shared.kit.clock import MovableClock
from shared.kit.jobs import BackgroundWork, Jobs
from shared.kit.leases import LEASE_DURATION, LeaseHolder
from shared.kit.retry import retry_transaction
from shared.kit.sql_leases import SqlLeases
from tests.contract.sql import INFRASTRUCTURE, open_database


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(running=False)


@pytest.fixture
async def leases(sql_url: str, clock: MovableClock) -> AsyncIterator[SqlLeases]:
    async with open_database(sql_url) as database:
        yield SqlLeases(database, INFRASTRUCTURE, clock)


async def test_a_lease_has_one_holder(leases: SqlLeases) -> None:
    assert [await leases.acquire("mail", "a"), await leases.acquire("mail", "b"), await leases.acquire("mail", "a")] == [True, False, True]
    assert await leases.acquire("relay", "b"), "another job, another lease"


async def test_a_lease_ends_unless_it_is_renewed(leases: SqlLeases, clock: MovableClock) -> None:
    await leases.acquire("mail", "a")
    clock.advance(LEASE_DURATION / 2)
    await leases.acquire("mail", "a")
    clock.advance(LEASE_DURATION / 2 + timedelta(seconds=1))
    assert not await leases.acquire("mail", "b")
    clock.advance(LEASE_DURATION)
    assert [await leases.acquire("mail", "b"), await leases.acquire("mail", "a")] == [True, False]


async def test_a_released_lease_can_be_acquired(leases: SqlLeases) -> None:
    await leases.acquire("mail", "a")
    await leases.acquire("relay", "a")
    await leases.release_all("a")
    assert [await leases.acquire("mail", "b"), await leases.acquire("relay", "b")] == [True, True]


async def test_of_twenty_that_acquire_a_lease_at_once_one_has_it(leases: SqlLeases, clock: MovableClock) -> None:
    for _ in range(3):
        together = await asyncio.gather(*(retry_transaction(partial(leases.acquire, "mail", str(name))) for name in range(20)))
        assert together.count(True) == 1
        clock.advance(LEASE_DURATION + timedelta(seconds=1))


async def test_of_two_instances_one_runs_the_job_and_the_other_takes_over(leases: SqlLeases, clock: MovableClock) -> None:
    done: list[str] = []
    background_work = BackgroundWork()
    instances = {name: Jobs(background_work) for name in ("a", "b")}
    for name, jobs in instances.items():

        async def work(name: str = name) -> int:
            done.append(name)
            return 0

        jobs.add("mail", work, every_seconds=3600, holder=LeaseHolder(leases, name, clock))
    async with instances["b"]:
        async with instances["a"]:
            for _ in range(10):
                await background_work.run_until_idle()
                clock.advance(LEASE_DURATION / 5)
            first = set(done)
            assert len(first) == 1
        done.clear()
        await background_work.run_until_idle()
        await background_work.run_until_idle()
    other = {"a": "b", "b": "b"}[first.pop()]
    assert set(done) == {other}, "leases are released on leaving"


async def test_a_holder_renews_in_the_store_only_when_half_a_term_is_over(leases: SqlLeases, clock: MovableClock) -> None:
    calls = 0

    class CountingLeases(SqlLeases):
        async def acquire(self, name: str, holder: str) -> bool:
            nonlocal calls
            calls += 1
            return await super().acquire(name, holder)

    holder = LeaseHolder(CountingLeases(leases.database, INFRASTRUCTURE, clock), "a", clock)
    for _ in range(5):
        assert await holder.acquire("mail")
        clock.advance(LEASE_DURATION / 10)
    assert calls == 1
    clock.advance(LEASE_DURATION / 10)
    assert await holder.acquire("mail")
    assert calls == 2


async def test_a_holder_that_did_not_renew_in_time_no_longer_has_the_lease(leases: SqlLeases, clock: MovableClock) -> None:
    first, second = LeaseHolder(leases, "a", clock), LeaseHolder(leases, "b", clock)
    assert await first.acquire("mail")
    clock.advance(LEASE_DURATION + timedelta(seconds=1))
    assert await second.acquire("mail")
    assert not await first.acquire("mail")


async def test_a_holder_whose_clock_is_set_back_acquires_again(leases: SqlLeases, clock: MovableClock) -> None:
    first = LeaseHolder(leases, "a", clock)
    assert await first.acquire("mail")
    clock.advance(-timedelta(hours=1))
    assert await first.acquire("mail")
