"""Jobs, waiting until all background work is done, clocks, ids and retries of transactions."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from shared.contracts.derived_ids import derive_id
from shared.contracts.refusals import Unavailable
from shared.kit.cancellation import propagate_cancellation
from shared.kit.clock import MovableClock, system_clock
from shared.kit.ids import new_id
from shared.kit.jobs import BackgroundWork, Jobs
from shared.kit.retry import MAX_ATTEMPTS, TransactionAborted, retry_on_abort, retry_transaction

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Work:
    """Work with `left` items that handles one item in each run, or raises an error. `ran` is set by each run."""

    def __init__(self, left: int = 0, raises: Exception | None = None) -> None:
        self.left, self.raises, self.runs, self.ran = left, raises, 0, asyncio.Event()

    async def __call__(self) -> int:
        self.runs += 1
        self.ran.set()
        if self.raises:
            raise self.raises
        self.left -= 1
        return int(self.left >= 0)


async def test_a_job_runs_again_at_once_while_it_finds_something_to_do() -> None:
    work, background_work = Work(left=5), BackgroundWork()
    jobs = Jobs(background_work)
    jobs.add("work", work, every_seconds=3600)
    async with jobs:
        await background_work.run_until_idle()
        assert work.left < 0


async def test_a_job_with_batches_runs_again_at_once_only_after_a_full_batch() -> None:
    handled, last_ran = [3, 3, 2, 3], asyncio.Event()

    async def work() -> int:
        count = handled.pop(0)
        if count < 3:
            last_ran.set()
        return count

    jobs = Jobs()
    jobs.add("work", work, every_seconds=3600, batch=3)
    async with jobs:
        await asyncio.wait_for(last_ran.wait(), 10)
        for _ in range(10):
            await asyncio.sleep(0)
        assert handled == [3]


async def test_a_job_that_collects_handles_in_one_run_what_wakes_it_meanwhile() -> None:
    work, jobs = Work(), Jobs()
    wake = jobs.add("work", work, every_seconds=3600, collect_seconds=0.05)
    async with jobs:
        await asyncio.wait_for(work.ran.wait(), 10)
        work.ran.clear()
        wake()
        for _ in range(10):
            await asyncio.sleep(0)
            wake()
        assert work.runs == 1
        await asyncio.wait_for(work.ran.wait(), 10)
        for _ in range(10):
            await asyncio.sleep(0)
        assert work.runs == 2


async def test_a_job_that_is_woken_runs_at_once() -> None:
    work, jobs = Work(), Jobs()
    wake = jobs.add("work", work, every_seconds=3600)
    async with jobs:
        await asyncio.wait_for(work.ran.wait(), 10)
        for _ in range(3):
            work.ran.clear()
            wake()
            await asyncio.wait_for(work.ran.wait(), 10)


async def test_waking_a_job_at_the_last_moment_does_not_delay_the_end() -> None:
    work, jobs = Work(), Jobs()
    wake = jobs.add("work", work, every_seconds=3600)
    async with asyncio.timeout(10):
        async with jobs:
            await work.ran.wait()
            await asyncio.sleep(0)
            wake()


async def test_a_job_that_swallows_its_cancellation_ends_all_the_same() -> None:
    started = asyncio.Event()

    async def swallow_cancellation() -> int:
        with suppress(asyncio.CancelledError):
            started.set()
            await asyncio.Event().wait()
        return 0

    jobs = Jobs()
    jobs.add("swallow", swallow_cancellation, every_seconds=3600)
    async with asyncio.timeout(10):
        async with jobs:
            await started.wait()


async def test_a_cancellation_that_became_an_error_is_propagated() -> None:
    started = asyncio.Event()

    async def replace_cancellation() -> None:
        with suppress(OSError), propagate_cancellation():
            try:
                started.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise OSError("the connection is gone") from None

    task = asyncio.create_task(replace_cancellation())
    await started.wait()
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
    work, healthy, background_work = Work(raises=failure), Work(), BackgroundWork()
    jobs = Jobs(background_work)
    jobs.add("failing", work, every_seconds=3600)
    jobs.add("healthy", healthy, every_seconds=3600)
    async with jobs:
        assert await background_work.run_until_idle() == 1
        work.raises = None
        await background_work.run_until_idle()
        assert (work.runs >= 2, healthy.runs >= 2) == (True, True)


async def test_a_job_never_runs_twice_at_once() -> None:
    running, most_running, background_work = 0, 0, BackgroundWork()

    async def work() -> int:
        nonlocal running, most_running
        running += 1
        most_running = max(most_running, running)
        await asyncio.sleep(0.001)
        running -= 1
        return 0

    jobs = Jobs(background_work)
    wake = jobs.add("work", work, every_seconds=3600)
    async with jobs:
        wake()
        await asyncio.gather(*(background_work.run_until_idle() for _ in range(5)))
    assert most_running == 1


async def test_a_run_that_is_already_under_way_counts_too() -> None:
    """Otherwise the wait would end before the effects of that run have arrived."""
    started, observed, may_end, observations, background_work = (
        asyncio.Event(),
        asyncio.Event(),
        asyncio.Event(),
        list[bool](),
        BackgroundWork(),
    )

    async def slow() -> int:
        is_first_run = not started.is_set()
        started.set()
        await may_end.wait()
        return int(is_first_run)

    async def observe() -> int:
        observations.append(may_end.is_set())
        observed.set()
        return 0

    background_work.add(observe)
    jobs = Jobs(background_work)
    jobs.add("slow", slow, every_seconds=3600)
    async with jobs:
        await started.wait()
        idle = asyncio.create_task(background_work.run_until_idle())
        await observed.wait()
        may_end.set()
        assert await idle == 2
    assert observations == [False, True]


async def test_a_run_that_ended_before_its_turn_counts_too() -> None:
    woken, done, background_work = asyncio.Event(), asyncio.Event(), BackgroundWork()

    async def work() -> int:
        is_first_run = woken.is_set() and not done.is_set()
        if is_first_run:
            done.set()
        return int(is_first_run)

    async def wake_and_wait() -> int:
        woken.set()
        wake()
        await done.wait()
        await asyncio.sleep(0)
        return 0

    background_work.add(wake_and_wait)
    jobs = Jobs(background_work)
    wake = jobs.add("work", work, every_seconds=3600)
    async with jobs:
        await asyncio.sleep(0)
        assert await background_work.run_until_idle() == 2


async def test_the_wait_for_idleness_ends_after_many_rounds() -> None:
    background_work = BackgroundWork()
    background_work.add(Work(left=10**6))
    assert await background_work.run_until_idle() == 1000


async def test_jobs_that_have_ended_do_not_run() -> None:
    work, background_work = Work(), BackgroundWork()
    jobs = Jobs(background_work)
    jobs.add("work", work, every_seconds=3600)
    async with jobs:
        pass
    runs = work.runs
    await background_work.run_until_idle()
    assert work.runs == runs


async def test_an_aborted_transaction_is_retried() -> None:
    runs = 0

    async def succeed_at_the_third_run() -> str:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise TransactionAborted
        return "done"

    assert (await retry_transaction(succeed_at_the_third_run), runs) == ("done", 3)


async def test_any_other_error_is_not_retried() -> None:
    work = Work(raises=RuntimeError("bug"))
    with pytest.raises(RuntimeError):
        await retry_transaction(work)
    assert work.runs == 1


async def test_a_decorated_use_case_runs_again_while_its_transaction_is_aborted() -> None:
    class Counter:
        """A use case whose first two transactions are aborted."""

        def __init__(self) -> None:
            self.runs, self.total = 0, 0

        @retry_on_abort
        async def add(self, number: int, *, times: int = 1) -> int:
            """Add a number."""
            self.runs += 1
            if self.runs < 3:
                raise TransactionAborted
            self.total += number * times
            return self.total

    counter = Counter()
    assert await counter.add(2, times=3) == 6
    assert (counter.runs, counter.total) == (3, 6)
    assert (Counter.add.__name__, Counter.add.__doc__) == ("add", "Add a number.")


async def test_a_decorated_use_case_that_is_always_aborted_is_unavailable() -> None:
    work = Work(raises=TransactionAborted())

    @retry_on_abort
    async def use_case() -> int:
        return await work()

    with pytest.raises(Unavailable):
        await use_case()
    assert work.runs == MAX_ATTEMPTS


async def test_a_decorated_use_case_does_not_run_again_after_a_refusal() -> None:
    work = Work(raises=Unavailable())
    with pytest.raises(Unavailable):
        await retry_on_abort(work)()
    assert work.runs == 1


def test_a_clock_stands_still_or_runs_from_where_it_was_set() -> None:
    standing, running = MovableClock(NOON, running=False), MovableClock(NOON)
    started = time.monotonic()
    while time.monotonic() - started < 0.01:
        pass
    assert standing() == NOON
    assert NOON < running() < NOON + timedelta(seconds=5)
    for clock in (standing, running):
        clock.set(datetime(2026, 3, 8, 2, 0, tzinfo=timezone(timedelta(hours=-5))))
        assert timedelta() <= clock() - datetime(2026, 3, 8, 7, 0, tzinfo=UTC) < timedelta(seconds=5)
        assert clock().tzinfo is UTC
        clock.advance(-timedelta(days=1))
        assert clock().day == 7


def test_the_system_clock_is_aware() -> None:
    assert system_clock().utcoffset() == timedelta()


def test_new_ids_are_ordered_by_time_and_derived_ids_depend_on_their_parts() -> None:
    ids = [new_id() for _ in range(1000)]
    assert sorted(ids) == ids
    assert len(set(ids)) == 1000
    assert {new_uuid.version for new_uuid in ids} == {7}
    assert all(type(new_uuid) is UUID for new_uuid in ids)
    namespace = ids[0]
    assert derive_id(namespace, "a", 1) == derive_id(namespace, "a", "1") != derive_id(namespace, "a1")
    assert derive_id(namespace, "a", "b") != derive_id(ids[1], "a", "b")
