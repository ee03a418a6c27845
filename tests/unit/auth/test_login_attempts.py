"""How many attempts a counter accepts, how long the delays are, and what counts as one address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from auth_svc.domain.accounts import Account, AccountStatus
from auth_svc.domain.login_attempts import (
    PENDING_LIFETIME,
    WINDOW,
    AttemptCounter,
    AttemptsPending,
    CounterKey,
    account_counter_key,
    client_counter_key,
    network_of,
)
from auth_svc.domain.refusals import TooManyAttempts
from auth_svc.usecases.login_attempts import LoginAttempt, LoginAttempts
from shared.contracts.events import AccountLocked, AuditRecorded
from shared.contracts.identity import Role
from shared.contracts.refusals import Unavailable
from tests.running import NOON

LIMIT, MOMENT = 10, timedelta(microseconds=1)
PAT = Account(UUID(int=1), "pat@example.com", "Pat", Role.PATIENT, AccountStatus.ACTIVE, "en", NOON, "right")
UNUSED = AttemptCounter("digest")


def fail(counter: AttemptCounter, now: datetime, times: int = 1) -> AttemptCounter:
    """Return the counter after some wrong passwords, one after the other."""
    for _ in range(times):
        counter = counter.reserve(LIMIT, now).fail(now, LIMIT, now)
    return counter


def test_the_tenth_failure_begins_a_delay_of_thirty_seconds() -> None:
    counter = fail(UNUSED, NOON, 10)
    with pytest.raises(TooManyAttempts) as refused:
        counter.reserve(LIMIT, NOON + timedelta(seconds=1))
    assert refused.value.facts == {"retry_after": 29}
    assert counter.reserve(LIMIT, NOON + timedelta(seconds=30)).pending_at


def test_each_further_failure_doubles_the_delay_up_to_fifteen_minutes() -> None:
    counter, now, seconds = fail(UNUSED, NOON, 10), NOON, list[float]()
    for _ in range(8):
        assert counter.delayed_until is not None
        seconds.append((counter.delayed_until - now).total_seconds())
        now = counter.delayed_until
        counter = fail(counter, now)
    assert seconds == [30, 60, 120, 240, 480, 900, 900, 900]


def test_refused_attempts_do_not_prolong_a_delay() -> None:
    counter = fail(UNUSED, NOON, 10)
    for second in range(30):
        with pytest.raises(TooManyAttempts):
            counter.reserve(LIMIT, NOON + timedelta(seconds=second))
    assert counter.reserve(LIMIT, NOON + timedelta(seconds=30)).delays == 1


def test_fifteen_minutes_without_an_attempt_after_a_delay_restore_the_whole_limit() -> None:
    counter = fail(UNUSED, NOON, 10)
    assert counter.delayed_until is not None
    rested = counter.delayed_until + WINDOW
    assert fail(counter, rested - MOMENT).delays == 2
    assert fail(counter, rested, 9).delays == 0
    assert fail(counter, rested, 10).delays == 1


def test_failures_count_for_fifteen_minutes() -> None:
    counter = fail(fail(UNUSED, NOON, 9), NOON + timedelta(minutes=14))
    assert counter.delays == 1
    assert fail(fail(UNUSED, NOON, 9), NOON + WINDOW).failed_at == (NOON + WINDOW,)
    spread = UNUSED
    for minutes in range(0, 200, 2):
        spread = fail(spread, NOON + timedelta(minutes=minutes))
    assert spread.delays == 0, "never ten within fifteen minutes"


def test_attempts_at_the_same_time_wait_when_all_of_them_failing_would_reach_the_limit() -> None:
    counter = fail(UNUSED, NOON, 7)
    for _ in range(3):
        counter = counter.reserve(LIMIT, NOON)
    with pytest.raises(AttemptsPending):
        counter.reserve(LIMIT, NOON)
    assert counter.give_back(NOON).reserve(LIMIT, NOON).pending_at == (NOON,) * 3


def test_after_a_delay_one_attempt_at_a_time_is_accepted() -> None:
    counter, later = fail(UNUSED, NOON, 10), NOON + timedelta(seconds=30)
    with pytest.raises(AttemptsPending):
        counter.reserve(LIMIT, later).reserve(LIMIT, later)


def test_right_passwords_count_nothing() -> None:
    counter = UNUSED
    for _ in range(100):
        counter = counter.reserve(LIMIT, NOON).give_back(NOON)
    assert counter == UNUSED
    assert counter.expires_at is None


def test_an_attempt_whose_process_died_counts_as_failed() -> None:
    counter = UNUSED
    for _ in range(LIMIT):
        counter = counter.reserve(LIMIT, NOON)
    with pytest.raises(TooManyAttempts) as refused:
        counter.reserve(LIMIT, NOON + PENDING_LIFETIME)
    assert refused.value.facts == {"retry_after": 30}
    assert counter.reserve(LIMIT, NOON + PENDING_LIFETIME * 2).delays == 1


def test_a_failure_after_a_password_reset_does_not_count() -> None:
    assert UNUSED.fail(NOON, LIMIT, NOON) == UNUSED


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_ipv6_network_of_64_bits_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_no_two_keys_have_the_same_counter() -> None:
    keys = [
        account_counter_key(b"k", "a@example.com"),
        account_counter_key(b"other", "a@example.com"),
        account_counter_key(b"k", "\ud800"),
        client_counter_key(b"k", "a", "b"),
        client_counter_key(b"k", 'a", "b', "b"),
        client_counter_key(b"k", "b", "a"),
    ]
    assert len({key.digest for key in keys}) == len(keys)


@dataclass
class FakeAttemptStore:
    """Keeps counters, and records every call of a transaction."""

    counters: dict[str, AttemptCounter] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    has_session: bool = False

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[FakeAttemptStore]:
        self.calls.append("begin")
        before = dict(self.counters)
        try:
            yield self
        except BaseException:
            self.counters = before
            raise
        self.calls.append("commit")

    async def has_live_session(self, _account_id: UUID, _address: str, _now: datetime) -> bool:
        self.calls.append("has_live_session")
        return self.has_session

    async def lock_attempts(self, keys: Sequence[CounterKey]) -> list[AttemptCounter]:
        self.calls.append(f"lock {len(keys)}")
        return [self.counters.get(key.digest, AttemptCounter(key.digest)) for key in keys]

    async def save_attempts(self, counter: AttemptCounter) -> None:
        self.calls.append("save")
        self.counters[counter.digest] = counter

    async def add_event(self, event: object) -> None:
        self.events.append(event)


@dataclass
class Verification:
    """Verifies a password; `outcome` is what comes out, and `calls` counts."""

    outcome: bool | Exception = False
    calls: int = 0

    async def __call__(self) -> bool:
        self.calls += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def attempts_in(store: FakeAttemptStore, now: datetime = NOON) -> LoginAttempts:
    return LoginAttempts(cast(Any, store), b"k" * 32, lambda: now)


async def test_the_database_does_the_same_for_an_account_that_does_not_exist() -> None:
    calls = []
    for account in (PAT, None):
        store = FakeAttemptStore()
        for _ in range(9):
            await attempts_in(store).verify(LoginAttempt("pat@example.com", account, "192.0.2.1"), Verification())
        calls.append(store.calls)
    assert calls[0] == calls[1]


async def test_during_a_delay_no_password_is_verified() -> None:
    store, verification = FakeAttemptStore(), Verification()
    attempt = LoginAttempt("pat@example.com", PAT, "192.0.2.1")
    for _ in range(10):
        assert not await attempts_in(store).verify(attempt, verification)
    right = Verification(outcome=True)
    with pytest.raises(TooManyAttempts):
        await attempts_in(store).verify(attempt, right)
    assert (verification.calls, right.calls) == (10, 0)


@pytest.mark.parametrize("account", [None, replace(PAT, status=AccountStatus.DISABLED), replace(PAT, password_hash=None)])
async def test_only_the_owner_of_an_account_that_may_sign_in_is_told(account: Account | None) -> None:
    for owner, told in ((PAT, 1), (account, 0)):
        store = FakeAttemptStore()
        for minutes in (*[0] * 10, 1, 3, 6):
            attempts = attempts_in(store, NOON + timedelta(minutes=minutes))
            await attempts.verify(LoginAttempt("pat@example.com", owner, "192.0.2.1"), Verification())
        assert [type(event) for event in store.events if not isinstance(event, AuditRecorded)] == [AccountLocked] * told, "once"


async def test_an_attempt_that_could_not_be_verified_counts_nothing() -> None:
    store = FakeAttemptStore()
    for _ in range(20):
        with pytest.raises(Unavailable):
            await attempts_in(store).verify(LoginAttempt("pat@example.com", PAT, "192.0.2.1"), Verification(Unavailable()))
    assert await attempts_in(store).verify(LoginAttempt("pat@example.com", PAT, "192.0.2.1"), Verification(outcome=True))


async def test_attempts_from_an_address_with_a_session_have_a_counter_of_their_own() -> None:
    store = FakeAttemptStore()
    for _ in range(10):
        await attempts_in(store).verify(LoginAttempt("pat@example.com", PAT, "192.0.2.1"), Verification())
    store.has_session = True
    home = LoginAttempt("pat@example.com", PAT, "198.51.100.2")
    for _ in range(10):
        assert not await attempts_in(store).verify(home, Verification())
    with pytest.raises(TooManyAttempts):
        await attempts_in(store).verify(home, Verification())
