"""A login takes the same time whether or not the account exists; a service needs its client secret."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from auth_svc.domain.accounts import Account, AccountStatus
from auth_svc.domain.refusals import InvalidCredentials
from auth_svc.usecases.login_attempts import LoginAttempt, Verify
from auth_svc.usecases.sessions import Sessions
from auth_svc.usecases.tokens import TokenIssuer
from shared.contracts.clinic import ClinicProfile
from shared.contracts.identity import Role
from tests.running import NOON

PAT = Account(UUID(int=1), "pat@example.com", "Pat", Role.PATIENT, AccountStatus.ACTIVE, "en", NOON, "right")
SECRETS = {"admin-service": "the secret of admin-service", "nobody": ""}
NOT_USED: Any = None


@dataclass
class CountingHasher:
    """Records the hashes that it verifies; a password has the hash that is the same text."""

    verified: list[str | None] = field(default_factory=list)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        self.verified.append(password_hash)
        return password == password_hash


@dataclass
class StoreOfOneAccount:
    account: Account | None

    async def find_account_by_email(self, _email: str) -> Account | None:
        return self.account


class UnlimitedAttempts:
    """Counts nothing."""

    async def verify(self, _attempt: LoginAttempt, verify: Verify) -> bool:
        return await verify()

    async def verify_client(self, _client_id: str, _network: str, verify: Verify) -> bool:
        return await verify()


ATTEMPTS = cast(Any, UnlimitedAttempts())


def sessions(account: Account | None, hasher: CountingHasher) -> Sessions:
    store = cast(Any, StoreOfOneAccount(account))
    return Sessions(store, cast(Any, hasher), ATTEMPTS, NOT_USED, NOT_USED, NOT_USED, lambda: NOON, timedelta(days=30), ClinicProfile)


@pytest.mark.parametrize(
    "account",
    [None, PAT, replace(PAT, password_hash=None, status=AccountStatus.INVITED), replace(PAT, status=AccountStatus.DISABLED)],
    ids=["no account", "wrong password", "invited", "disabled"],
)
async def test_every_failed_login_verifies_one_password(account: Account | None) -> None:
    hasher = CountingHasher()
    password = "right" if account and account.status is AccountStatus.DISABLED else "wrong"
    with pytest.raises(InvalidCredentials):
        await sessions(account, hasher).login("pat@example.com", password, "192.0.2.1")
    assert len(hasher.verified) == 1


@pytest.mark.parametrize(("name", "secret"), [("admin-service", "x"), ("nobody", ""), ("else", ""), ("else", "é"), ("admin-service", "")])
@pytest.mark.parametrize("network", ["192.0.2.1", None])
async def test_a_service_without_its_secret_gets_no_token(name: str, secret: str, network: str | None) -> None:
    issuer = TokenIssuer(NOT_USED, ATTEMPTS, lambda client_id: SECRETS.get(client_id, ""), lambda: NOON, timedelta(minutes=10))
    with pytest.raises(InvalidCredentials):
        await issuer.issue_to_service(name, secret, network)
