"""Only some passwords are hashed at a time, and none waits longer than two seconds for its turn."""

from __future__ import annotations

import asyncio
import threading

import pytest

from auth_svc.clients.password_hashing import MAX_WAIT_SECONDS, Argon2Hasher
from shared.contracts.refusals import Unavailable


async def test_a_password_that_waits_too_long_for_a_thread_is_refused_and_the_next_is_not() -> None:
    may_end = threading.Event()
    async with Argon2Hasher(1, 5, max_wait_seconds=0.05) as hasher:
        blocking = asyncio.create_task(hasher.run(may_end.wait))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await hasher.run(lambda: True)
        assert refused.value.facts == {"retry_after": 2}
        may_end.set()
        assert await blocking
        assert await hasher.run(lambda: True)
    assert MAX_WAIT_SECONDS == 2


async def test_a_thread_is_not_free_before_the_work_of_a_cancelled_call_has_ended() -> None:
    may_end = threading.Event()
    async with Argon2Hasher(1, 5, max_wait_seconds=0.05) as hasher:
        cancelled = asyncio.create_task(hasher.run(may_end.wait))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        with pytest.raises(Unavailable):
            await hasher.run(lambda: True)
        may_end.set()
        await asyncio.to_thread(hasher._pool.shutdown)
        await asyncio.sleep(0)
        assert not hasher._free_threads.locked()


async def test_more_calls_than_may_wait_are_refused_at_once() -> None:
    may_end = threading.Event()
    async with Argon2Hasher(1, 1) as hasher:
        accepted = [asyncio.create_task(hasher.run(may_end.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await hasher.run(lambda: True)
        may_end.set()
        assert await asyncio.gather(*accepted) == [True, True]
