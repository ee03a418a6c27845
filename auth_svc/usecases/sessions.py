"""Signing in, staying signed in, signing out."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from auth_svc.domain.accounts import Account, Status
from auth_svc.domain.refusals import InvalidCredentials, InvalidRefreshToken, TokenReused
from auth_svc.domain.sessions import Session, digest
from auth_svc.ports import Hashing, Signing, Store
from auth_svc.usecases.accounts import Accounts
from auth_svc.usecases.endings import Endings
from shared.contracts.identity import Caller
from shared.kit.clock import Clock
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a client holds afterwards; `expires_in` are the seconds of the access token."""

    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str = field(repr=False)
    account: Account
    token_type: str = "Bearer"


@dataclass(frozen=True, slots=True)
class Sessions:
    store: Store
    hashing: Hashing
    signing: Signing
    accounts: Accounts
    endings: Endings
    secret_of: Callable[[str], str]
    now: Clock
    lasts: timedelta

    async def login(self, email: str, password: str) -> SignedIn:
        """The same answer in the same time, whether or not there is such an account."""
        account = await self.store.account_by_email(email)
        fits = await self.hashing.fits(password, account.password_hash if account else None)
        if account is None or not fits:
            raise InvalidCredentials
        if account.status is Status.PENDING:
            account = await self.accounts.finish(account)
        if not account.may_sign_in:
            raise InvalidCredentials
        return await self.start(await self._rehashed(account, password))

    async def start(self, account: Account) -> SignedIn:
        """A new session of an account that has proved itself, unless its password or its standing has changed since."""
        now, refresh = self.now(), secrets.token_urlsafe(32)
        session = Session(new_id(), account.id, now, now, now + self.lasts)
        async with self.store.begin() as tx:
            standing = await tx.get_account(account.id)
            if not standing.may_sign_in or standing.password_hash != account.password_hash:
                raise InvalidCredentials
            await tx.add_session(session, digest(refresh))
        return self._signed(standing, session, refresh)

    async def refresh(self, token: str) -> SignedIn:
        """A new pair; the old refresh token dies. One that comes twice ends its session, for one of the two is a thief."""
        fresh, now = secrets.token_urlsafe(32), self.now()
        async with self.store.begin() as tx:
            found = await tx.session_of_token(digest(token))
            if found is None or not found[0].lives(now):
                raise InvalidRefreshToken
            session, used = found
            account = await tx.get_account(session.account_id)
            sound = account.may_sign_in and not used
            if sound:
                await tx.rotate(replace(session, last_used_at=now, expires_at=now + self.lasts), digest(token), digest(fresh))
            else:
                await self.endings.one(tx, session)
        if not sound:
            raise TokenReused if used else InvalidRefreshToken
        return self._signed(account, session, fresh)

    async def logout(self, token: str) -> None:
        """Ends the session of a refresh token; one that is unknown has ended already."""
        async with self.store.begin() as tx:
            found = await tx.session_of_token(digest(token))
            if found is not None and found[0].ended_at is None:
                await self.endings.one(tx, found[0])

    async def logout_all(self, by: Caller) -> None:
        async with self.store.begin() as tx:
            await self.endings.all_of(tx, by.id)

    async def ended(self) -> list[Session]:
        """Those whose last access token may still be alive."""
        return await self.store.ended_sessions(self.now() - self.endings.access_for - timedelta(minutes=1))

    async def watch(self, end: Callable[[UUID, float], None]) -> int:
        """Tells this very process what other instances ended, or it itself before it was started again."""
        for session in await self.ended():
            end(session.id, self.expires_at(session).timestamp())
        return 0

    def service_token(self, client_id: str, client_secret: str) -> str:
        """For a service that proves itself; refuses with InvalidCredentials."""
        known = self.secret_of(client_id)
        same = hmac.compare_digest(known.encode(), client_secret.encode("utf-8", "replace"))
        if not (known and same):
            raise InvalidCredentials
        return self.signing.service_token(client_id, self.now())

    def expires_at(self, session: Session) -> datetime:
        """When the last access token of an ended session is worth nothing any more."""
        return (session.ended_at or self.now()) + self.endings.access_for + timedelta(minutes=1)

    async def forget(self) -> int:
        """Removes what ended more than a day ago."""
        return await self.store.forget(self.now() - timedelta(days=1))

    async def _rehashed(self, account: Account, password: str) -> Account:
        if not (account.password_hash and self.hashing.is_outdated(account.password_hash)):
            return account
        hashed = await self.hashing.hash(password)
        async with self.store.begin() as tx:
            standing = await tx.get_account(account.id)
            if standing.password_hash != account.password_hash:
                return account
            await tx.save_account(standing.rehashed(hashed))
        return standing.rehashed(hashed)

    def _signed(self, account: Account, session: Session, refresh: str) -> SignedIn:
        access = self.signing.access_token(account.id, account.role, session.id, self.now())
        return SignedIn(access, int(self.endings.access_for.total_seconds()), refresh, account)
