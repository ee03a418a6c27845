"""The job that completes pending accounts, and transactions that the database rolls back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import pytest

from auth_svc.domain.accounts import Account, AccountStatus
from auth_svc.usecases.create_account import AccountCreation
from shared.contracts.http import CreatePatient
from shared.contracts.identity import Role
from shared.contracts.refusals import Conflict, Unavailable
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

    async def list_pending_accounts(self, _created_before: datetime, _limit: int) -> list[Account]:
        return [account for account in self.accounts.values() if account.status is AccountStatus.PENDING]

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

    async def create_profile(self, patient_id: UUID, _profile: CreatePatient) -> None:
        self.calls += 1
        if patient_id in self.failures:
            raise self.failures[patient_id]


def account_creation(store: FakeAuthStore, profiles: FakeProfiles) -> AccountCreation:
    return AccountCreation(cast(Any, store), NOT_USED, NOT_USED, cast(Any, profiles), NOT_USED, lambda: NOON)


@pytest.mark.parametrize(
    ("failure", "status_after"),
    [
        (Unavailable(), AccountStatus.PENDING),
        (RuntimeError("a fault in the program"), AccountStatus.PENDING),
        (Conflict(), None),
    ],
)
async def test_an_account_that_cannot_be_completed_does_not_stop_the_others(failure: Exception, status_after: AccountStatus | None) -> None:
    store = FakeAuthStore({PAT.id: PAT, KIM.id: KIM})
    assert await account_creation(store, FakeProfiles({PAT.id: failure})).complete_pending() == 1
    statuses = {account_id: account.status for account_id, account in store.accounts.items()}
    assert statuses.pop(KIM.id) is AccountStatus.ACTIVE
    assert statuses == ({PAT.id: status_after} if status_after else {})


async def test_a_transaction_that_is_rolled_back_runs_again_without_a_second_call_to_patient_service() -> None:
    store, profiles = FakeAuthStore({PAT.id: PAT}, rollbacks=2), FakeProfiles()
    account = await account_creation(store, profiles).complete(PAT)
    assert (account.status, store.accounts, profiles.calls) == (AccountStatus.ACTIVE, {PAT.id: account}, 1)
