"""What a crash at each step of a user's creation leaves behind, and that the job completes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from admin_svc.domain.users import NewUser, PendingUser
from admin_svc.usecases.create_user import UserCreation
from shared.contracts.http import AccountSummary, Actor, CreateAccount
from shared.contracts.identity import Role
from shared.contracts.pages import Page
from shared.contracts.refusals import Conflict, Forbidden, Invalid, NotFound, Stale, TooMany, Unavailable
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.pending import first_retry_at, next_retry_at
from tests.running import NOON
from tests.unit.admin.memory_chain import MemoryChain

PASSWORD = "a password of theirs"


class Crash(BaseException):
    """The process ends here."""


@dataclass
class FakeBackends(MemoryChain):
    """The database of admin-service, auth-service and doctor-service. Each of their steps may be the one before the crash.

    `pending` (each user with the instant of the next try), `accounts` and `profiles` survive the crash.
    """

    steps_before_crash: int = 1000
    pending: dict[UUID, tuple[PendingUser, datetime]] = field(default_factory=dict)
    accounts: dict[UUID, AccountSummary] = field(default_factory=dict)
    profiles: set[UUID] = field(default_factory=set)
    refusal: Exception | None = None
    refused_id: UUID | None = None

    def step(self) -> None:
        self.steps_before_crash -= 1
        if self.steps_before_crash < 0:
            raise Crash

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[FakeBackends]:
        yield self

    async def insert_pending_user(self, user: NewUser, requested_at: datetime) -> None:
        self.step()
        self.pending.setdefault(user.id, (PendingUser(user, requested_at), first_retry_at(requested_at)))
        self.step()

    async def delete_pending_user(self, user_id: UUID) -> None:
        self.step()
        self.pending.pop(user_id, None)
        self.step()

    async def take_due_users(self, now: datetime) -> list[PendingUser]:
        due = [pending for pending, retry_at in self.pending.values() if retry_at <= now]
        self.pending |= {pending.user.id: (pending, next_retry_at(pending.requested_at, now)) for pending in due}
        return due

    async def create(self, account_id: UUID, request: CreateAccount | Mapping[str, Any]) -> AccountSummary:
        self.step()
        if self.refusal and self.refused_id in (None, account_id):
            raise self.refusal
        sent = request.model_dump(exclude_none=True) if isinstance(request, CreateAccount) else request
        fields = {"role": "doctor", **sent}
        status = "active" if fields.get("password") else "invited"
        account = AccountSummary.model_validate({**fields, "id": account_id, "status": status, "version": 1, "created_at": NOON})
        self.accounts.setdefault(account_id, account)
        self.profiles.add(account_id)
        self.step()
        return self.accounts[account_id]

    async def get(self, account_id: UUID) -> AccountSummary:
        self.step()
        return self.accounts[account_id]

    async def list_accounts(self, **query: Any) -> Page[AccountSummary]:
        return Page(items=[])

    async def update(
        self, account_id: UUID, changes: Mapping[str, Any], expected_version: int | None, change_id: UUID, by: Actor
    ) -> AccountSummary:
        return self.accounts[account_id]


@dataclass
class FakeDoctors:
    backends: FakeBackends

    async def create(self, doctor_id: UUID, request: Mapping[str, Any]) -> None:
        await self.backends.create(doctor_id, request)

    async def prepare(self, doctor_id: UUID, request: Mapping[str, Any]) -> None: ...

    async def discard(self, doctor_id: UUID) -> None: ...

    async def rename(self, doctor_id: UUID, full_name: str) -> None: ...


def user_creation(backends: FakeBackends, clock: MovableClock) -> UserCreation:
    return UserCreation(backends, backends, FakeDoctors(backends), clock)


def a_user(role: Role = Role.PATIENT) -> NewUser:
    return NewUser(new_id(), "a@clinic.test", role, "A")


def clock_at_noon() -> MovableClock:
    return MovableClock(NOON, running=False)


def test_a_name_from_before_line_breaks_were_refused_is_sent_as_one_line() -> None:
    user = NewUser(new_id(), "a@clinic.test", Role.DOCTOR, "Ada\nWeiss")
    assert user.account_request(None).full_name == user.doctor_request(None)["full_name"] == "Ada Weiss"


@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR])
@pytest.mark.parametrize("steps", range(6))
async def test_after_a_crash_at_any_step_both_account_and_profile_exist_or_neither(role: Role, steps: int) -> None:
    backends, clock, user = FakeBackends(steps_before_crash=steps), clock_at_noon(), a_user(role)
    with pytest.raises(Crash):
        await user_creation(backends, clock).create(user, PASSWORD)
    backends.steps_before_crash = 1000
    was_stored = bool(backends.pending or backends.accounts)
    clock.advance(timedelta(minutes=1))
    await user_creation(backends, clock).complete_pending()
    assert (set(backends.accounts), backends.profiles, backends.pending) == (
        ({user.id}, {user.id}, {}) if was_stored else (set(), set(), {})
    )


@pytest.mark.parametrize("steps", range(7))
async def test_a_repeat_after_a_crash_answers_as_if_there_had_been_none(steps: int) -> None:
    backends, clock, user = FakeBackends(steps_before_crash=steps), clock_at_noon(), a_user(Role.DOCTOR)
    with pytest.raises(Crash):
        await user_creation(backends, clock).create(user, PASSWORD)
    backends.steps_before_crash = 1000
    account = await user_creation(backends, clock).create(user, PASSWORD)
    assert (account.id, account.status, backends.pending) == (user.id, "active", {})


@pytest.mark.parametrize("refusal", [Unavailable(), TooMany(), Forbidden(), NotFound()])
async def test_an_unavailable_service_is_called_again_for_a_day(refusal: Exception) -> None:
    backends, clock, user = FakeBackends(refusal=refusal), clock_at_noon(), a_user()
    with pytest.raises(type(refusal)):
        await user_creation(backends, clock).create(user, None)
    clock.advance(timedelta(minutes=1))
    assert (await user_creation(backends, clock).complete_pending(), len(backends.pending)) == (0, 1)
    assert await backends.take_due_users(clock()) == [], "was tried just now"
    clock.advance(timedelta(days=1))
    assert (await user_creation(backends, clock).complete_pending(), len(backends.pending)) == (1, 0)
    assert backends.accounts == {}


@pytest.mark.parametrize("refusal", [Conflict(), Invalid(), Stale()])
async def test_a_user_whom_another_service_decides_against_is_not_created_later(refusal: Exception) -> None:
    backends, clock = FakeBackends(refusal=refusal), clock_at_noon()
    with pytest.raises(type(refusal)):
        await user_creation(backends, clock).create(a_user(), None)
    assert backends.pending == {}


@pytest.mark.parametrize("failure", [Unavailable(), RuntimeError("a fault in the program")])
async def test_a_user_who_cannot_be_created_does_not_stop_the_others(failure: Exception) -> None:
    backends, clock, users = FakeBackends(), clock_at_noon(), [a_user(), a_user()]
    for user in users:
        await backends.insert_pending_user(user, clock())
    backends.refusal, backends.refused_id = failure, users[0].id
    clock.advance(timedelta(minutes=1))
    assert await user_creation(backends, clock).complete_pending() == 1
    assert (set(backends.pending), set(backends.accounts)) == ({users[0].id}, {users[1].id})
