"""Signing in, renewing tokens and signing out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from auth_svc.domain.accounts import Account
from auth_svc.domain.refusals import InvalidCredentials, InvalidRefreshToken, TokenReused
from auth_svc.domain.sessions import CLOCK_TOLERANCE, MAX_LIVE_SESSIONS, Session, last_access_token_expiry, refresh_token_hash
from auth_svc.ports import AuthStore, PasswordHasher
from auth_svc.usecases.create_account import AccountCreation
from auth_svc.usecases.login_attempts import LoginAttempt, LoginAttempts
from auth_svc.usecases.session_revocation import SessionRevocation
from auth_svc.usecases.tokens import TokenIssuer
from shared.contracts.clinic import CurrentClinic
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Caller, Service
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.audit import as_refused, audit_event
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort, retry_transaction

KEEP_ENDED_SESSIONS_FOR = timedelta(days=1)
MAX_NUMBERED_AT_ONCE = 500
MAX_ENDED_AT_LOGIN = 10


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The tokens of a session and the account; the access token is valid for `expires_in` seconds."""

    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str = field(repr=False)
    account: Account
    token_type: str = "Bearer"


@dataclass(frozen=True, slots=True)
class RevokedSession:
    """A session that has ended; its access tokens are refused until the last of them expires at `expires_at`."""

    session_id: UUID
    expires_at: datetime
    number: int


@dataclass(frozen=True, slots=True)
class RevokedSessions:
    """A page of revoked sessions in the order of their numbers. `last_number` is the highest number that any session ever had."""

    items: list[RevokedSession]
    last_number: int


@dataclass(frozen=True, slots=True)
class Sessions:
    """A session expires `lifetime` after its last use. People who gave no locale have that of the clinic."""

    store: AuthStore
    hasher: PasswordHasher
    attempts: LoginAttempts
    tokens: TokenIssuer
    creation: AccountCreation
    revocation: SessionRevocation
    now: Clock
    lifetime: timedelta
    clinic: CurrentClinic

    async def login(self, email: str, password: str, network: str) -> SignedIn:
        """Sign in by password, which also completes a pending account. `network` is what counts as the caller's address.

        Raises InvalidCredentials or TooManyAttempts, after the same time and with the same text whether or not the account exists.
        """
        account = await retry_transaction(lambda: self.store.find_account_by_email(email))

        async def is_accepted() -> bool:
            is_correct = await self.hasher.verify(password, account.password_hash if account else None)
            return is_correct and account is not None and account.accepts_password

        if not await self.attempts.verify(LoginAttempt(email, account, network), is_accepted) or account is None:
            raise InvalidCredentials
        try:
            account = await self.creation.complete(account)
        except NoSuchPatient as refusal:  # the patient was erased, and now the account is deleted, too
            raise InvalidCredentials from refusal
        return await self.start(await self._rehash_if_outdated(account, password), network)

    @retry_on_abort
    async def start(self, authenticated: Account, network: str) -> SignedIn:
        """Start a session of an account whose password was verified, and end its least recently used ones beyond MAX_LIVE_SESSIONS.

        Raises InvalidCredentials when its password has changed since, or it may no longer sign in.
        """
        now, refresh_token = self.now(), secrets.token_urlsafe(32)
        address = self.attempts.address_digest(network)
        session = Session(new_id(), authenticated.id, now, now, now + self.lifetime, address=address)
        async with self.store.begin() as tx:
            account = await tx.find_account(authenticated.id)  # None if it was erased meanwhile
            if account is None or not account.may_sign_in or account.password_hash != authenticated.password_hash:
                raise InvalidCredentials
            for surplus in await tx.list_surplus_sessions(account.id, now, keep=MAX_LIVE_SESSIONS - 1, limit=MAX_ENDED_AT_LOGIN):
                await self.revocation.revoke(tx, surplus)
            await tx.insert_session(session, refresh_token_hash(refresh_token))
            await tx.add_event(audit_event(Service.AUTH, account.actor, "account.sign_in", account.id, at=now, row_id=session.id))
        return self._signed_in(account, session, refresh_token)

    @retry_on_abort
    async def refresh(self, token: str, network: str) -> SignedIn:
        """Return new tokens; the given refresh token no longer works.

        Raises InvalidRefreshToken, or TokenReused for a token that was used before. A reused token ends the session: it was copied, and
        the service cannot know which of the two users stole it.
        """
        new_token, now = secrets.token_urlsafe(32), self.now()
        async with self.store.begin() as tx:
            stored = await tx.find_refresh_token(refresh_token_hash(token))
            if stored is None or not stored.session.is_live(now):
                raise InvalidRefreshToken
            session = stored.session
            account = await tx.get_account(session.account_id)
            is_accepted = account.may_sign_in and not stored.was_used
            if is_accepted:
                address = self.attempts.address_digest(network)
                extended = replace(session, last_used_at=now, expires_at=now + self.lifetime, address=address)
                await tx.replace_refresh_token(extended, refresh_token_hash(token), refresh_token_hash(new_token))
            else:
                await self.revocation.revoke(tx, session)
                await tx.add_event(_refused_refresh_event(account, session, now))
        if not is_accepted:  # raised after the commit, which ends the session
            raise TokenReused if stored.was_used else InvalidRefreshToken
        return self._signed_in(account, session, new_token)

    @retry_on_abort
    async def logout(self, token: str) -> None:
        """End the session of a refresh token. Nothing happens when the token is unknown or its session has ended."""
        async with self.store.begin() as tx:
            stored = await tx.find_refresh_token(refresh_token_hash(token))
            if stored is not None and stored.session.ended_at is None:
                await self.revocation.revoke(tx, stored.session)
                await tx.add_event(_sign_out_event(await tx.get_account(stored.session.account_id), self.now(), stored.session))

    @retry_on_abort
    async def logout_all(self, by: Caller) -> None:
        """End all sessions of the caller."""
        async with self.store.begin() as tx:
            await self.revocation.revoke_all(tx, by.id)
            await tx.add_event(audit_event(Service.AUTH, by, "account.sign_out", by.id, at=self.now()))

    @retry_on_abort
    async def list_revoked(self, after: int, limit: int) -> RevokedSessions:
        """Return the ended sessions above a number whose access tokens may not have expired yet, at most `limit`."""
        lifetime = self.revocation.access_token_lifetime
        ended, last_number = await self.store.list_ended_sessions(self.now() - lifetime - CLOCK_TOLERANCE, after, limit)
        revoked = [
            RevokedSession(session.id, last_access_token_expiry(session.ended_at or self.now(), lifetime), session.end_number or 0)
            for session in ended
        ]
        return RevokedSessions(revoked, last_number)

    @retry_on_abort
    async def number_ended(self) -> int:
        """Number sessions that an instance of the previous release ended, so that they are listed; return how many."""
        return await self.store.number_ended_sessions(MAX_NUMBERED_AT_ONCE)

    @retry_on_abort
    async def delete_expired(self) -> int:
        """Delete sessions that ended or expired more than a day ago; return how many."""
        return await self.store.delete_expired(self.now() - KEEP_ENDED_SESSIONS_FOR)

    async def _rehash_if_outdated(self, account: Account, password: str) -> Account:
        """Hash the password again when the parameters of hashing have changed since it was stored."""
        if not (account.password_hash and self.hasher.is_outdated(account.password_hash)):
            return account
        return await self._save_rehashed(account, await self.hasher.hash(password))

    @retry_on_abort
    async def _save_rehashed(self, verified: Account, password_hash: str) -> Account:
        async with self.store.begin() as tx:
            account = await tx.get_account(verified.id)
            if account.password_hash != verified.password_hash:
                return verified
            rehashed = account.with_rehashed_password(password_hash)
            await tx.update_account(rehashed)
        return rehashed

    def _signed_in(self, account: Account, session: Session, refresh_token: str) -> SignedIn:
        access = self.tokens.issue(account, session)
        return SignedIn(access.token, access.expires_in, refresh_token, account.in_clinic(self.clinic().locale))


def _sign_out_event(account: Account, at: datetime, session: Session) -> AuditRecorded:
    return audit_event(Service.AUTH, account.actor, "account.sign_out", account.id, at=at, row_id=session.id)


def _refused_refresh_event(account: Account, session: Session, at: datetime) -> AuditRecorded:
    return as_refused(audit_event(Service.AUTH, account.actor, "account.refresh", account.id, at=at, row_id=session.id))
