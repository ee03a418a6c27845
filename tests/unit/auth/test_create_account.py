"""The job that completes pending accounts, and transactions that the database rolls back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import pytest

from auth_svc.domain.accounts import Account, AccountStatus, PendingProfile
from auth_svc.usecases.create_account import AccountCreation
from shared.contracts.clinic import ClinicProfile
from shared.contracts.http import CreatePatient
from shared.contracts.identity import Role
from shared.contracts.refusals import Conflict, Forbidden, NotFound, Stale, Unavailable
from shared.kit.retry import TransactionAborted
from tests.running import NOON

PAT = Account(UUID(int=1), "pat@example.com", "Pat", Role.PATIENT, AccountStatus.PENDING, "en", NOON, "hash")
KIM = replace(PAT, id=UUID(int=2), email="kim@example.com")
NOT_USED: Any = None


@dataclass
class FakeAuthStore:
    """The accounts, and how many of the next transactions the database rolls back at their commit."""

    accounts: dict[UUID, Account]
    rollbacks: int = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[FakeAuthStore]:
        before = dict(self.accounts)
        yield self
        if self.rollbacks:
            self.rollbacks -= 1
            self.accounts = before
            raise TransactionAborted

    async def take_due_profiles(self, _now: datetime, _limit: int) -> list[PendingProfile]:
        return [PendingProfile(account.id) for account in self.accounts.values() if account.status is AccountStatus.PENDING]

    async def delete_pending_profile(self, _account_id: UUID) -> bool:
        return True

    async def find_account(self, account_id: UUID) -> Account | None:
        return self.accounts.get(account_id)

    async def get_account(self, account_id: UUID) -> Account:
        return self.accounts[account_id]

    async def update_account(self, account: Account) -> None:
        self.accounts[account.id] = account

    async def delete_pending_account(self, account_id: UUID) -> None:
        del self.accounts[account_id]

    async def add_event(self, _event: object) -> None: ...


@dataclass
class FakeProfiles:
    """Raises the failure of a patient."""

    failures: dict[UUID, Exception] = field(default_factory=dict)
    calls: int = 0
    profiles: dict[UUID, CreatePatient] = field(default_factory=dict)

    async def create_profile(self, patient_id: UUID, profile: CreatePatient) -> None:
        self.calls += 1
        self.profiles[patient_id] = profile
        if patient_id in self.failures:
            raise self.failures[patient_id]


def account_creation(store: FakeAuthStore, profiles: FakeProfiles) -> AccountCreation:
    return AccountCreation(cast(Any, store), NOT_USED, NOT_USED, cast(Any, profiles), NOT_USED, lambda: NOON, ClinicProfile)


@pytest.mark.parametrize(
    ("failure", "status_after"),
    [
        (Unavailable(), AccountStatus.PENDING),
        (RuntimeError("a fault in the program"), AccountStatus.PENDING),
        (Forbidden(), AccountStatus.PENDING),
        (NotFound(), AccountStatus.PENDING),
        (Conflict(), None),
        (Stale(), None),
    ],
)
async def test_an_account_that_cannot_be_completed_does_not_stop_the_others(failure: Exception, status_after: AccountStatus | None) -> None:
    store = FakeAuthStore({PAT.id: PAT, KIM.id: KIM})
    assert await account_creation(store, FakeProfiles({PAT.id: failure})).complete_pending() == 1
    statuses = {account_id: account.status for account_id, account in store.accounts.items()}
    assert statuses.pop(KIM.id) is AccountStatus.ACTIVE
    assert statuses == ({PAT.id: status_after} if status_after else {})


async def test_an_account_with_a_name_from_before_line_breaks_were_refused_still_gets_its_profile() -> None:
    store, profiles = FakeAuthStore({PAT.id: replace(PAT, full_name="Pat\r\nLee")}), FakeProfiles()
    assert await account_creation(store, profiles).complete_pending() == 1
    assert profiles.profiles[PAT.id].full_name == "Pat Lee"


async def test_a_transaction_that_is_rolled_back_runs_again_without_a_second_call_to_patient_service() -> None:
    store, profiles = FakeAuthStore({PAT.id: PAT}, rollbacks=2), FakeProfiles()
    account = await account_creation(store, profiles).complete(PAT)
    assert (account.status, store.accounts, profiles.calls) == (AccountStatus.ACTIVE, {PAT.id: account}, 1)
