"""Counting wrong passwords and secrets, so that they cannot be guessed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from auth_svc.domain.accounts import Account
from auth_svc.domain.login_attempts import (
    AttemptCounter,
    CounterKey,
    account_counter,
    address_counter,
    client_counter,
    keyed_digest,
    known_address_counter,
)
from auth_svc.ports import AuthStore, AuthTransaction
from shared.contracts.events import AccountLocked
from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort

Verify = Callable[[], Awaitable[bool]]
"""Returns whether a password or secret is right. Raises Unavailable without having looked at it."""


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """A password that is tried for an email address, from an address of the internet. The account is None when there is none."""

    email: str
    account: Account | None
    network: str


@dataclass(frozen=True, slots=True)
class ReservedAttempt:
    """An attempt that was counted before its password is verified: the counters, and their states with the attempt."""

    keys: Sequence[CounterKey]
    counters: Sequence[AttemptCounter]


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
        reserved = await self._reserve_login(attempt)
        is_correct = await self._verify_reserved(reserved, verify)
        if not is_correct and reserved.counters[0].has_begun_delay:
            await self._announce(reserved.keys[0], attempt.account)
        return is_correct

    async def verify_client(self, client_id: str, network: str, verify: Verify) -> bool:
        """Return whether the secret of an API client is right. Raises as `verify` does."""
        keys = [client_counter(self.key, client_id, network), address_counter(self.key, network)]
        return await self._verify_reserved(await self._reserve(keys), verify)

    async def end_delay(self, tx: AuthTransaction, account: Account) -> None:
        """Forget all attempts for an account, because its owner has chosen a new password."""
        await tx.delete_attempts(account_counter(self.key, account.email).digest)

    @retry_on_abort
    async def delete_expired(self) -> int:
        """Delete counters that count nothing any more; return how many."""
        return await self.store.delete_expired_attempts(self.now())

    async def _verify_reserved(self, reserved: ReservedAttempt, verify: Verify) -> bool:
        """Give the attempt back unless the password was wrong. A request that is cancelled meanwhile counts as a wrong password."""
        try:
            is_correct = await verify()
        except Unavailable:
            await self._give_back(reserved)
            raise
        if is_correct:
            await self._give_back(reserved)
        return is_correct

    @retry_on_abort
    async def _reserve_login(self, attempt: LoginAttempt) -> ReservedAttempt:
        """From an address of a live session, the attempts have a counter of their own: the owner gets in while others guess elsewhere."""
        by_account = account_counter(self.key, attempt.email)
        account_id = attempt.account.id if attempt.account else UUID(hex=by_account.digest[:32])
        async with self.store.begin() as tx:
            if await tx.has_live_session(account_id, self.address_digest(attempt.network), self.now()):
                keys = [known_address_counter(self.key, attempt.email, attempt.network)]
            else:
                keys = [by_account, address_counter(self.key, attempt.network)]
            return await self._reserve_in(tx, keys)

    @retry_on_abort
    async def _reserve(self, keys: Sequence[CounterKey]) -> ReservedAttempt:
        async with self.store.begin() as tx:
            return await self._reserve_in(tx, keys)

    async def _reserve_in(self, tx: AuthTransaction, keys: Sequence[CounterKey]) -> ReservedAttempt:
        counters = zip(await tx.lock_attempts(keys), keys, strict=True)
        reserved = [counter.reserve(key.limit, self.now()) for counter, key in counters]
        for counter in reserved:
            await tx.save_attempts(counter)
        return ReservedAttempt(keys, reserved)

    @retry_on_abort
    async def _give_back(self, attempt: ReservedAttempt) -> None:
        async with self.store.begin() as tx:
            stored = await tx.lock_attempts(attempt.keys)
            for counter, reserved, key in zip(stored, attempt.counters, attempt.keys, strict=True):
                await tx.save_attempts(counter.give_back(reserved, key.limit))

    @retry_on_abort
    async def _announce(self, key: CounterKey, account: Account | None) -> None:
        """Have the owner told by mail, once per row of delays."""
        async with self.store.begin() as tx:
            (counter,) = await tx.lock_attempts([key])
            if counter.is_announced or not counter.delays:
                return
            await tx.save_attempts(replace(counter, is_announced=True))
            if account is not None and account.may_sign_in:
                await tx.add_event(AccountLocked(id=new_id(), occurred_at=self.now(), account_id=account.id))
