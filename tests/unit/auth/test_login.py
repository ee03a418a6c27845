"""A login costs the same whether or not there is such an account."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from auth_svc.domain.accounts import Account, Status
from auth_svc.domain.refusals import InvalidCredentials
from auth_svc.usecases.sessions import Sessions
from shared.contracts.identity import Role

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PAT = Account(UUID(int=1), "pat@example.com", "Pat", Role.PATIENT, Status.ACTIVE, "en", NOON, "right")
SECRETS = {"admin-service": "the secret of admin-service", "nobody": ""}


@dataclass
class Counting:
    """A hashing port that counts; a password fits a hash that is the same text."""

    fitted: list[str | None] = field(default_factory=list)

    async def fits(self, password: str, password_hash: str | None) -> bool:
        self.fitted.append(password_hash)
        return password == password_hash


@dataclass
class Shelf:
    account: Account | None

    async def account_by_email(self, _email: str) -> Account | None:
        return self.account


def sessions(account: Account | None, hashing: Counting) -> Sessions:
    unused: Any = None
    store, hasher = cast(Any, Shelf(account)), cast(Any, hashing)
    return Sessions(store, hasher, unused, unused, unused, lambda name: SECRETS.get(name, ""), lambda: NOON, timedelta(days=30))


@pytest.mark.parametrize(
    "account",
    [None, PAT, replace(PAT, password_hash=None, status=Status.INVITED), replace(PAT, status=Status.DISABLED)],
    ids=["nobody", "another password", "invited", "disabled"],
)
async def test_one_password_is_weighed_whoever_it_is(account: Account | None) -> None:
    hashing = Counting()
    given = "right" if account and account.status is Status.DISABLED else "wrong"
    with pytest.raises(InvalidCredentials):
        await sessions(account, hashing).login("pat@example.com", given)
    assert len(hashing.fitted) == 1


@pytest.mark.parametrize(("name", "secret"), [("admin-service", "x"), ("nobody", ""), ("else", ""), ("else", "é"), ("admin-service", "")])
def test_a_service_without_its_secret_is_nobody(name: str, secret: str) -> None:
    with pytest.raises(InvalidCredentials):
        sessions(None, Counting()).service_token(name, secret)
