"""The caches of verified tokens and of the issuer's keys: limited in size, controlled by the clock, and filled once for all callers."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.identity import Role
from shared.contracts.refusals import Unavailable
from shared.kit.clock import MovableClock
from shared.kit.deadlines import deadline
from shared.kit.signing_keys import REFETCH_AFTER_SECONDS, KeySet
from shared.kit.tokens import InvalidToken, Verifier
from tests.tokens import ISSUER, jwks, token

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOW = int(NOON.timestamp())


class KeyIssuer:
    """Returns its keys when it is allowed to answer; counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.deadlines: list[float | None] = []

    async def fetch(self) -> list[dict[str, Any]]:
        self.calls += 1
        self.deadlines.append(deadline.get())
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return list(jwks()["keys"])


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON, running=False)


@pytest.fixture
def issuer() -> KeyIssuer:
    return KeyIssuer()


@pytest.fixture
def keys(issuer: KeyIssuer, clock: MovableClock) -> KeySet:
    return KeySet(issuer.fetch, clock)


@pytest.fixture
def verifier(issuer: KeyIssuer, keys: KeySet, clock: MovableClock) -> Verifier:
    issuer.may_answer.set()
    return Verifier(keys, ISSUER, "careslot", clock)


async def test_all_callers_that_wait_for_a_key_share_one_fetch(issuer: KeyIssuer, keys: KeySet) -> None:
    waiting = [asyncio.create_task(keys.find("test")) for _ in range(20)]
    await asyncio.sleep(0)
    issuer.may_answer.set()
    assert all(await asyncio.gather(*waiting))
    assert issuer.calls == 1


async def test_a_caller_that_is_cancelled_does_not_cancel_the_fetch_of_the_others(issuer: KeyIssuer, keys: KeySet) -> None:
    first, second = asyncio.create_task(keys.find("test")), asyncio.create_task(keys.find("test"))
    await asyncio.sleep(0)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    issuer.may_answer.set()
    assert await second is not None
    assert (first.cancelled(), issuer.calls) == (True, 1)


async def test_a_failed_fetch_fails_for_all_waiting_callers_and_the_next_caller_tries_again(issuer: KeyIssuer, keys: KeySet) -> None:
    issuer.error = Unavailable("The issuer does not answer.")
    waiting = [asyncio.create_task(keys.find("test")) for _ in range(3)]
    await asyncio.sleep(0)
    issuer.may_answer.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert ([type(result) for result in results], issuer.calls) == ([Unavailable] * 3, 1)
    issuer.error = None
    assert await keys.find("test") is not None
    assert issuer.calls == 2


async def test_a_fetch_that_fails_after_its_callers_left_is_not_reported_as_lost(issuer: KeyIssuer, keys: KeySet) -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
    issuer.error = OSError("reset")
    caller = asyncio.create_task(keys.find("test"))
    await asyncio.sleep(0)
    caller.cancel()
    with suppress(asyncio.CancelledError):
        await caller
    issuer.may_answer.set()
    await asyncio.sleep(0.01)
    assert reports == []


async def test_the_deadline_of_the_first_caller_does_not_bind_the_fetch(issuer: KeyIssuer, keys: KeySet) -> None:
    reset_token = deadline.set(time.monotonic() + 0.05)
    with pytest.raises(Unavailable):
        await keys.find("test")
    deadline.reset(reset_token)
    issuer.may_answer.set()
    assert await keys.find("test") is not None
    assert (issuer.calls, issuer.deadlines) == (1, [None])


async def test_an_unknown_key_id_fetches_again_only_after_a_while(issuer: KeyIssuer, keys: KeySet, clock: MovableClock) -> None:
    issuer.may_answer.set()
    for _ in range(5):
        assert await keys.find("unknown") is None
    assert issuer.calls == 1
    clock.advance(timedelta(seconds=REFETCH_AFTER_SECONDS + 1))
    assert await keys.find("unknown") is None
    assert issuer.calls == 2


async def test_a_full_cache_of_tokens_drops_the_least_recently_used_one(issuer: KeyIssuer, clock: MovableClock, keys: KeySet) -> None:
    issuer.may_answer.set()
    small = Verifier(keys, ISSUER, "careslot", clock, max_verified_tokens=3)
    issued = [token(Role.PATIENT) for _ in range(4)]
    callers = [await small.verify(issued[number]) for number in (0, 1, 2, 0, 3)]
    assert await small.verify(issued[0]) is callers[0], "still in the cache"
    assert await small.verify(issued[1]) is not callers[1], "read again"
    assert len(small._verified) == 3


async def test_a_token_leaves_the_cache_when_it_expires(verifier: Verifier, clock: MovableClock) -> None:
    for lifetime in (60, 600):
        await verifier.verify(token(Role.PATIENT, exp=NOW + lifetime))
    clock.advance(timedelta(seconds=64))
    assert len(verifier._verified) == 2, "the leeway counts"
    clock.advance(timedelta(seconds=1))
    assert len(verifier._verified) == 1


async def test_an_ended_session_is_remembered_until_its_tokens_have_expired(verifier: Verifier, clock: MovableClock) -> None:
    session = uuid4()
    bearer = token(Role.PATIENT, sid=str(session))
    verifier.revoke_session(session, NOW + 600)
    clock.advance(timedelta(seconds=600))
    with pytest.raises(InvalidToken):
        await verifier.verify(bearer)
    clock.advance(timedelta(seconds=600))
    assert len(verifier._ended_sessions) == 0


async def test_a_session_that_ends_twice_counts_until_the_later_time(verifier: Verifier, clock: MovableClock) -> None:
    session = uuid4()
    bearer = token(Role.PATIENT, sid=str(session))
    verifier.revoke_session(session, NOW + 1800)
    verifier.revoke_session(session, NOW + 600)
    clock.advance(timedelta(seconds=1300))
    with pytest.raises(InvalidToken):
        await verifier.verify(bearer)


async def test_ending_a_session_costs_the_same_however_many_sessions_have_ended(verifier: Verifier) -> None:
    def seconds_to_end(sessions: int) -> float:
        started = time.process_time()
        for _ in range(sessions):
            verifier.revoke_session(uuid4(), NOW + 600)
        return time.process_time() - started

    seconds_to_end(100)
    few, many = seconds_to_end(1000), seconds_to_end(10_000)
    assert many < 100 * few, "ten times as many take ten times as long; a copy per session would take a hundred times"
