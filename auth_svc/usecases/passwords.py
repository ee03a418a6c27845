"""Changing a password, and choosing a new one by a mailed link."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from auth_svc.domain.accounts import Account
from auth_svc.domain.passwords import check_password
from auth_svc.domain.refusals import InvalidCredentials
from auth_svc.ports import AuthStore, AuthTransaction, PasswordHasher
from auth_svc.usecases.login_attempts import LoginAttempt, LoginAttempts
from auth_svc.usecases.password_resets import PasswordResets
from auth_svc.usecases.session_revocation import SessionRevocation
from shared.contracts.events import PasswordChanged
from shared.contracts.identity import Caller, Service
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort, retry_transaction


@dataclass(frozen=True, slots=True)
class Passwords:
    """Passwords are verified and hashed before the transaction begins, because that takes longer than the transaction may."""

    store: AuthStore
    hasher: PasswordHasher
    attempts: LoginAttempts
    resets: PasswordResets
    revocation: SessionRevocation
    now: Clock

    async def change(self, by: Caller, current_password: str, new_password: str, network: str) -> None:
        """Change the caller's own password, end their other sessions and cancel open reset links. `network` counts as their address.

        Raises InvalidCredentials when the current password is wrong, TooManyAttempts as a login does, PasswordTooWeak for the new one.
        """
        account = await retry_transaction(lambda: self.store.get_account(by.id))
        attempt = LoginAttempt(account.email, account, network)
        if not await self.attempts.verify(attempt, lambda: self.hasher.verify(current_password, account.password_hash)):
            raise InvalidCredentials
        check_password(new_password, account.email, "/new_password")
        await self._save_change(account, await self.hasher.hash(new_password), by.session_id)

    @retry_on_abort
    async def request_reset(self, email: str) -> None:
        """Have a link mailed if the address belongs to an account. The database work is the same if it does not."""
        account = await self.store.find_account_by_email(email)
        async with self.store.begin() as tx:
            if account is not None and account.can_reset_password:
                await self.resets.request(tx, account)
            else:
                await self.resets.imitate_request(tx, email)

    async def reset(self, token: str, new_password: str) -> None:
        """Set the password by a link, end all sessions and a delay of logins, and accept an open invitation.

        Raises TokenInvalid or PasswordTooWeak.
        """
        reset = await self.resets.get_by_token(token)
        account = await retry_transaction(lambda: self.store.get_account(reset.account_id))
        check_password(new_password, account.email, "/new_password")
        await self._save_reset(reset.id, account.id, await self.hasher.hash(new_password))

    @retry_on_abort
    async def _save_change(self, verified: Account, password_hash: str, session_id: UUID | None) -> None:
        """Raises InvalidCredentials when the password is no longer the one that was verified."""
        async with self.store.begin() as tx:
            account = await tx.get_account(verified.id)
            if account.password_hash != verified.password_hash:
                raise InvalidCredentials
            await tx.delete_password_resets(account.id)
            await self._set_password(tx, account, password_hash, except_session_id=session_id)
            await tx.add_event(audit_event(Service.AUTH, account.actor, "password.change", account.id, at=self.now()))

    @retry_on_abort
    async def _save_reset(self, reset_id: UUID, account_id: UUID, password_hash: str) -> None:
        async with self.store.begin() as tx:
            await self.resets.use(tx, reset_id)
            account = await tx.get_account(account_id)
            await self._set_password(tx, account, password_hash)
            await tx.add_event(audit_event(Service.AUTH, account.actor, "password.reset", account.id, at=self.now(), row_id=reset_id))
            await self.attempts.end_delay(tx, account)

    async def _set_password(
        self, tx: AuthTransaction, account: Account, password_hash: str, *, except_session_id: UUID | None = None
    ) -> None:
        """Save the password and end sessions. Publishes AccountChanged when this accepts an invitation, otherwise PasswordChanged."""
        changed = account.with_password(password_hash)
        await tx.update_account(changed)
        await self.revocation.revoke_all(tx, account.id, except_session_id=except_session_id)
        if changed.status is not account.status:
            await tx.add_event(changed.changed_event(new_id(), self.now()))
        else:
            await tx.add_event(PasswordChanged(id=new_id(), occurred_at=self.now(), account_id=account.id))
