"""Jobs, their background_work, the clock they run by, and transactions done again."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from shared.contracts.refusals import Unavailable
from shared.kit.cancellation import propagate_cancellation
from shared.kit.clock import MovableClock, system_clock
from shared.kit.ids import derive_id, new_id
from shared.kit.jobs import BackgroundWork, Jobs
from shared.kit.retry import TransactionAborted, retry_transaction

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Work:
    """Does `left` things, one a run; raises what it is told."""

    def __init__(self, left: int = 0, raises: Exception | None = None) -> None:
        self.left, self.raises, self.runs, self.ran = left, raises, 0, asyncio.Event()

    async def __call__(self) -> int:
        self.runs += 1
        self.ran.set()
        if self.raises:
            raise self.raises
        self.left -= 1
        return int(self.left >= 0)


async def test_a_job_goes_on_while_there_is_something_to_do() -> None:
    work, background_work = Work(left=5), BackgroundWork()
    jobs = Jobs(background_work)
    jobs.add("work", work, every_seconds=3600)
    async with jobs:
        await background_work.run_until_idle()
        assert work.left < 0


async def test_a_nudge_wakes_a_job_at_once() -> None:
    work, jobs = Work(), Jobs()
    nudge = jobs.add("work", work, every_seconds=3600)
    async with jobs:
        await asyncio.wait_for(work.ran.wait(), 10)
        for _ in range(3):
            work.ran.clear()
            nudge()
            await asyncio.wait_for(work.ran.wait(), 10)


async def test_a_nudge_in_the_last_moment_does_not_hold_up_the_end() -> None:
    work, jobs = Work(), Jobs()
    nudge = jobs.add("work", work, every_seconds=3600)
    async with asyncio.timeout(10):
        async with jobs:
            await work.ran.wait()
            await asyncio.sleep(0)
            nudge()


async def test_a_job_whose_cancellation_is_lost_on_the_way_ends_all_the_same() -> None:
    begun = asyncio.Event()

    async def deaf() -> int:
        with suppress(asyncio.CancelledError):
            begun.set()
            await asyncio.Event().wait()
        return 0

    jobs = Jobs()
    jobs.add("deaf", deaf, every_seconds=3600)
    async with asyncio.timeout(10):
        async with jobs:
            await begun.wait()


async def test_a_cancellation_that_became_an_error_is_heeded() -> None:
    begun = asyncio.Event()

    async def broken() -> None:
        with suppress(OSError), propagate_cancellation():
            try:
                begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise OSError("the connection is gone") from None

    task = asyncio.create_task(broken())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_job_runs_again_when_its_time_comes() -> None:
    work, jobs = Work(), Jobs()
    jobs.add("work", work, every_seconds=0.01)
    async with jobs, asyncio.timeout(10):
        while work.runs < 3:
            work.ran.clear()
            await work.ran.wait()


@pytest.mark.parametrize("failure", [RuntimeError("bug"), Unavailable(), TransactionAborted(), OSError(), TimeoutError()])
async def test_a_job_that_fails_runs_again(failure: Exception) -> None:
    work, healthy, jobs, background_work = Work(raises=failure), Work(), Jobs(BackgroundWork()), BackgroundWork()
    jobs = Jobs(background_work)
    jobs.add("failing", work, every_seconds=3600)
    jobs.add("healthy", healthy, every_seconds=3600)
    async with jobs:
        assert await background_work.run_until_idle() == 1
        work.raises = None
        await background_work.run_until_idle()
        assert (work.runs >= 2, healthy.runs >= 2) == (True, True)


async def test_a_job_never_runs_twice_at_once() -> None:
    together, most, background_work = 0, 0, BackgroundWork()

    async def work() -> int:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.sleep(0.001)
        together -= 1
        return 0

    jobs = Jobs(background_work)
    nudge = jobs.add("work", work, every_seconds=3600)
    async with jobs:
        nudge()
        await asyncio.gather(*(background_work.run_until_idle() for _ in range(5)))
    assert most == 1


async def test_what_a_run_under_way_does_counts_too() -> None:
    """Else whoever waits would leave before what it set in motion arrives."""
    begun, looked, may_end, seen, background_work = asyncio.Event(), asyncio.Event(), asyncio.Event(), list[bool](), BackgroundWork()

    async def slow() -> int:
        first = not begun.is_set()
        begun.set()
        await may_end.wait()
        return int(first)

    async def look() -> int:
        seen.append(may_end.is_set())
        looked.set()
        return 0

    background_work.add(look)
    jobs = Jobs(background_work)
    jobs.add("slow", slow, every_seconds=3600)
    async with jobs:
        await begun.wait()
        settled = asyncio.create_task(background_work.run_until_idle())
        await looked.wait()
        may_end.set()
        assert await settled == 2
    assert seen == [False, True]


async def test_a_pulse_stops_at_last() -> None:
    background_work = BackgroundWork()
    background_work.add(Work(left=10**6))
    assert await background_work.run_until_idle() == 1000


async def test_jobs_that_left_no_longer_beat() -> None:
    work, background_work = Work(), BackgroundWork()
    jobs = Jobs(background_work)
    jobs.add("work", work, every_seconds=3600)
    async with jobs:
        pass
    runs = work.runs
    await background_work.run_until_idle()
    assert work.runs == runs


async def test_an_aborted_transaction_is_done_again() -> None:
    runs = 0

    async def third_time_lucky() -> str:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise TransactionAborted
        return "done"

    assert (await retry_transaction(third_time_lucky), runs) == ("done", 3)


async def test_what_is_no_abort_is_not_done_again() -> None:
    work = Work(raises=RuntimeError("bug"))
    with pytest.raises(RuntimeError):
        await retry_transaction(work)
    assert work.runs == 1


def test_a_clock_stands_or_runs_from_where_it_was_put() -> None:
    still, running = MovableClock(NOON, running=False), MovableClock(NOON)
    started = time.monotonic()
    while time.monotonic() - started < 0.01:
        pass
    assert still() == NOON
    assert NOON < running() < NOON + timedelta(seconds=5)
    for clock in (still, running):
        clock.set(datetime(2026, 3, 8, 2, 0, tzinfo=timezone(timedelta(hours=-5))))
        assert timedelta() <= clock() - datetime(2026, 3, 8, 7, 0, tzinfo=UTC) < timedelta(seconds=5)
        assert clock().tzinfo is UTC
        clock.advance(-timedelta(days=1))
        assert clock().day == 7


def test_the_machines_time_is_aware() -> None:
    assert system_clock().utcoffset() == timedelta()


def test_ids_are_new_in_the_order_of_time_or_the_same_for_the_same_words() -> None:
    made = [new_id() for _ in range(1000)]
    assert sorted(made) == made
    assert len(set(made)) == 1000
    assert {identity.version for identity in made} == {7}
    assert all(type(identity) is UUID for identity in made)
    space = made[0]
    assert derive_id(space, "a", 1) == derive_id(space, "a", "1") != derive_id(space, "a1")
    assert derive_id(space, "a", "b") != derive_id(made[1], "a", "b")
