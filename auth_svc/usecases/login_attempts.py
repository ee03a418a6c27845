"""Counting wrong passwords and secrets, so that they cannot be guessed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from auth_svc.domain.accounts import Account
from auth_svc.domain.login_attempts import (
    AttemptCounter,
    AttemptsPending,
    CounterKey,
    account_counter_key,
    address_counter_key,
    client_counter_key,
    keyed_digest,
    known_address_counter_key,
)
from auth_svc.domain.refusals import TooManyAttempts
from auth_svc.ports import AuthStore, AuthTransaction
from shared.contracts.events import AccountLocked, AuditRecorded
from shared.contracts.http import Actor
from shared.contracts.identity import Service, system_caller
from shared.contracts.refusals import Unavailable
from shared.kit.audit import as_refused, audit_event
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort

PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
RETRY_PENDING_AFTER_SECONDS = 2
Verify = Callable[[], Awaitable[bool]]
"""Returns whether a password or secret is right. Raises Unavailable if it could not verify it."""


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """A password that is tried for an email address, from an IP address or network. The account is None when there is none."""

    email: str
    account: Account | None
    network: str


@dataclass(frozen=True, slots=True)
class ReservedAttempt:
    """An attempt that its counters have as pending since `reserved_at`.

    The owner of `account`, if there is one, is notified when a delay begins under the first key.
    """

    keys: Sequence[CounterKey]
    reserved_at: datetime
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class LoginAttempts:
    """Counts attempts in the database, so that all instances together verify no more passwords than the limits allow.

    `key` makes the digests under which accounts and addresses are stored.
    """

    store: AuthStore
    key: bytes
    now: Clock

    def address_digest(self, network: str) -> str:
        """Return the digest under which sessions remember an address."""
        return keyed_digest(self.key, "session", network)

    async def verify(self, attempt: LoginAttempt, verify: Verify) -> bool:
        """Return whether the password is right. Raises TooManyAttempts, without calling `verify`, or what `verify` raises.

        The database does the same work whether or not the account exists.
        """
        return await self._verify_reserved(await self._reserve_with_retries(lambda: self._reserve_login(attempt)), verify)

    async def verify_client(self, client_id: str, network: str, verify: Verify) -> bool:
        """Return whether the secret of an API client is right. Raises as `verify` does."""
        keys = [client_counter_key(self.key, client_id, network), address_counter_key(self.key, network)]
        return await self._verify_reserved(await self._reserve_with_retries(lambda: self._reserve(keys)), verify)

    async def end_delay(self, tx: AuthTransaction, account: Account) -> None:
        """Delete the counters of an account, because its owner has chosen a new password."""
        await tx.delete_attempts(account_counter_key(self.key, account.email).digest)

    @retry_on_abort
    async def delete_expired(self) -> int:
        """Delete counters that count nothing any more; return how many."""
        return await self.store.delete_expired_attempts(self.now())

    async def _verify_reserved(self, attempt: ReservedAttempt, verify: Verify) -> bool:
        """Call `verify`, and record a failure or remove the attempt from the counters.

        A request that is cancelled during `verify` leaves its attempt pending; it counts as failed after PENDING_LIFETIME.
        """
        try:
            is_correct = await verify()
        except Unavailable:
            await self._give_back(attempt)
            raise
        await (self._give_back(attempt) if is_correct else self._record_failure(attempt))
        return is_correct

    async def _reserve_with_retries(self, reserve: Callable[[], Awaitable[ReservedAttempt]]) -> ReservedAttempt:
        """Call `reserve`, and again after growing pauses while it raises AttemptsPending. Raises TooManyAttempts after the last pause."""
        for pause_seconds in PAUSES_SECONDS:
            try:
                return await reserve()
            except AttemptsPending:
                await asyncio.sleep(random.uniform(0.5, 1) * pause_seconds)
        raise TooManyAttempts(retry_after=RETRY_PENDING_AFTER_SECONDS)

    @retry_on_abort
    async def _reserve_login(self, attempt: LoginAttempt) -> ReservedAttempt:
        """Reserve an attempt in its counters. From an address with a live session it has its own counter, so that the owner can sign in."""
        account_key = account_counter_key(self.key, attempt.email)
        account_id = attempt.account.id if attempt.account else UUID(hex=account_key.digest[:32])
        async with self.store.begin() as tx:
            if await tx.has_live_session(account_id, self.address_digest(attempt.network), self.now()):
                keys = [known_address_counter_key(self.key, attempt.email, attempt.network)]
            else:
                keys = [account_key, address_counter_key(self.key, attempt.network)]
            reserved_at = await self._reserve_in(tx, keys)
        return ReservedAttempt(keys, reserved_at, attempt.account)

    @retry_on_abort
    async def _reserve(self, keys: Sequence[CounterKey]) -> ReservedAttempt:
        async with self.store.begin() as tx:
            return ReservedAttempt(keys, await self._reserve_in(tx, keys))

    async def _reserve_in(self, tx: AuthTransaction, keys: Sequence[CounterKey]) -> datetime:
        counters, now = await tx.lock_attempts(keys), self.now()
        for counter in [counter.reserve(key.limit, now) for counter, key in zip(counters, keys, strict=True)]:
            await tx.save_attempts(counter)
        return now

    @retry_on_abort
    async def _give_back(self, attempt: ReservedAttempt) -> None:
        async with self.store.begin() as tx:
            for counter in await tx.lock_attempts(attempt.keys):
                await tx.save_attempts(counter.give_back(attempt.reserved_at))

    @retry_on_abort
    async def _record_failure(self, attempt: ReservedAttempt) -> None:
        """Record the failure, also in the audit trail. When delays begin, add the event that notifies the owner of the account.

        A line is written whether or not the account exists, so that the response takes the same time. The limits of attempts of each
        account and address bound the number of lines.
        """
        async with self.store.begin() as tx:
            counters, now = await tx.lock_attempts(attempt.keys), self.now()
            first_counter, *other_counters = [
                counter.fail(attempt.reserved_at, key.limit, now) for counter, key in zip(counters, attempt.keys, strict=True)
            ]
            await self._save_and_announce(tx, first_counter, attempt.account)
            for counter in other_counters:
                await tx.save_attempts(counter)
            await tx.add_event(_refused_sign_in_event(attempt.account, now))

    async def _save_and_announce(self, tx: AuthTransaction, counter: AttemptCounter, account: Account | None) -> None:
        await tx.save_attempts(replace(counter, is_announced=counter.delays > 0))
        if counter.must_be_announced and account is not None and account.may_sign_in:
            await tx.add_event(AccountLocked(id=new_id(), occurred_at=self.now(), account_id=account.id))


def _refused_sign_in_event(account: Account | None, at: datetime) -> AuditRecorded:
    """Return the line about a wrong password or secret. Without an account the actor is auth-service; the address is left out."""
    actor = account.actor if account is not None else Actor.from_caller(system_caller(Service.AUTH))
    return as_refused(audit_event(Service.AUTH, actor, "account.sign_in", actor.id, at=at))
