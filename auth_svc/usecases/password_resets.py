"""Links to choose a password: created together with the event that makes notification-service mail them, and used once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from auth_svc.domain.accounts import Account, AccountStatus
from auth_svc.domain.password_resets import INVITATION_LIFETIME, RESET_LIFETIME, PasswordReset, reset_id_from_token, reset_token
from auth_svc.domain.refusals import TokenInvalid
from auth_svc.ports import AuthStore, AuthTransaction
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AccountInvited, PasswordResetRequested
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort

UNKNOWN_ACCOUNTS = UUID(int=0)  # the namespace of ids that stand for email addresses without an account


@dataclass(frozen=True, slots=True)
class PasswordResets:
    """`key` signs the tokens."""

    store: AuthStore
    key: bytes
    now: Clock

    async def invite(self, tx: AuthTransaction, account: Account) -> None:
        """Have an invitation mailed to the owner of an account without a password."""
        reset = await self._replace(tx, account.id, INVITATION_LIFETIME)
        await tx.add_event(
            AccountInvited(id=new_id(), occurred_at=self.now(), account_id=account.id, reset_id=reset.id, expires_at=reset.expires_at)
        )

    async def request(self, tx: AuthTransaction, account: Account) -> None:
        """Have a link to a new password mailed to the owner of an account. Someone who is invited keeps a week to use it."""
        lifetime = INVITATION_LIFETIME if account.status is AccountStatus.INVITED else RESET_LIFETIME
        reset = await self._replace(tx, account.id, lifetime)
        await tx.add_event(
            PasswordResetRequested(
                id=new_id(), occurred_at=self.now(), account_id=account.id, reset_id=reset.id, expires_at=reset.expires_at
            )
        )

    async def imitate_request(self, tx: AuthTransaction, email: str) -> None:
        """Write a reset that is never mailed, so that the response time does not show whether the address has an account."""
        await self._replace(tx, derive_id(UNKNOWN_ACCOUNTS, email), RESET_LIFETIME)

    @retry_on_abort
    async def get_token(self, reset_id: UUID) -> tuple[str, datetime]:
        """Return the token for the mail and when it expires. Raises TokenInvalid unless the reset is valid."""
        reset = self._require_valid(await self.store.find_password_reset(reset_id))
        return reset_token(self.key, reset_id), reset.expires_at

    @retry_on_abort
    async def get_by_token(self, token: str) -> PasswordReset:
        """Return the reset of a link, without using it. Raises TokenInvalid."""
        reset_id = reset_id_from_token(self.key, token)
        return self._require_valid(await self.store.find_password_reset(reset_id) if reset_id else None, pointer="/token")

    async def use(self, tx: AuthTransaction, reset_id: UUID) -> None:
        """Use up a reset, together with all others of its account. Raises TokenInvalid when it was used or replaced meanwhile."""
        reset = self._require_valid(await tx.find_password_reset(reset_id), pointer="/token")
        await tx.delete_password_resets(reset.account_id)

    async def _replace(self, tx: AuthTransaction, account_id: UUID, lifetime: timedelta) -> PasswordReset:
        """Create the only valid reset of an account; older links stop working."""
        reset = PasswordReset(new_id(), account_id, self.now() + lifetime)
        await tx.delete_password_resets(account_id)
        await tx.insert_password_reset(reset)
        return reset

    def _require_valid(self, reset: PasswordReset | None, **facts: str) -> PasswordReset:
        if reset is None or not reset.is_valid(self.now()):
            raise TokenInvalid(**facts)
        return reset
