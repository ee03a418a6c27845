"""Creating a user: in the end both the account and the profile exist, or neither."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from admin_svc.domain.users import NewUser, PendingUser
from admin_svc.ports import DoctorProfileClient, UserAccountClient, UserStore
from shared.contracts.http import AccountSummary
from shared.contracts.identity import Role
from shared.contracts.refusals import FINAL_REFUSALS, Refusal
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

USER_REFUSED = (*FINAL_REFUSALS, NoSuchPatient)
"""What refuses a user for good: the id of a patient who was erased is never used again."""


@dataclass(frozen=True, slots=True)
class UserCreation:
    """A user is stored as pending before another service is called, and deleted from there when that service has created or refused them.

    The call lies between two transactions and may be repeated.
    """

    store: UserStore
    accounts: UserAccountClient
    doctors: DoctorProfileClient
    now: Clock

    async def create(self, user: NewUser, password: str | None) -> AccountSummary:
        """Create a user; without a password they are invited by mail. Repeating it with the same id returns the existing user.

        Raises what auth-service and doctor-service refuse. After any other refusal than USER_REFUSED the user stays pending.
        """
        await self._insert_pending(user)
        try:
            account = await self._call_owner(user, password)
        except USER_REFUSED:
            await self._delete_pending(user.id)
            raise
        await self._delete_pending(user.id)
        return account

    async def complete_pending(self) -> int:
        """Create users whom a crash or an outage left pending; return how many are no longer pending."""
        return sum([await self._try_to_complete(pending) for pending in await self._take_due()])

    async def _try_to_complete(self, pending: PendingUser) -> bool:
        """Return whether the user is no longer pending. A failure is logged, so that it does not stop the others."""
        user_id = pending.user.id
        try:
            if pending.has_expired(self.now()):
                await self._delete_pending(user_id)
                log_event("user_creation_given_up", user_id=user_id, reason="expired")
            else:
                await self.create(pending.user, password=None)
        except USER_REFUSED as refusal:  # `create` has deleted the pending user
            log_event("user_creation_given_up", user_id=user_id, reason=refusal.code)
        except Refusal as refusal:
            log_event("user_still_pending", user_id=user_id, code=refusal.code)
            return False
        except Exception as error:
            log_event("user_creation_failed", logging.ERROR, error=error, user_id=user_id)
            return False
        return True

    async def _call_owner(self, user: NewUser, password: str | None) -> AccountSummary:
        """Let the owner of the profile create profile and account: doctor-service for doctors, auth-service for others."""
        if user.role is not Role.DOCTOR:
            return await self.accounts.create(user.id, user.account_request(password))
        await self.doctors.create(user.id, user.doctor_request(password))
        return await self.accounts.get(user.id)

    @retry_on_abort
    async def _insert_pending(self, user: NewUser) -> None:
        async with self.store.begin() as tx:
            await tx.insert_pending_user(user, self.now())

    @retry_on_abort
    async def _delete_pending(self, user_id: UUID) -> None:
        async with self.store.begin() as tx:
            await tx.delete_pending_user(user_id)

    @retry_on_abort
    async def _take_due(self) -> list[PendingUser]:
        async with self.store.begin() as tx:
            return await tx.take_due_users(self.now())
