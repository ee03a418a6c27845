"""Changing, forgetting and resetting a password."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from auth_svc.domain import passwords
from auth_svc.domain.accounts import Account, Status
from auth_svc.domain.refusals import InvalidCredentials, TokenInvalid
from auth_svc.domain.sessions import INVITED_FOR, RESET_FOR, reset_id_of
from auth_svc.ports import Hashing, Store, Transaction
from auth_svc.usecases.endings import Endings
from auth_svc.usecases.resets import Resets
from shared.contracts.events import PasswordChanged, PasswordResetRequested
from shared.contracts.identity import Caller
from shared.kit.clock import Clock
from shared.kit.ids import derive_id, new_id

NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Passwords:
    store: Store
    hashing: Hashing
    resets: Resets
    endings: Endings
    now: Clock

    async def change(self, by: Caller, current: str, new: str) -> None:
        """All other sessions end, and links to a new password work no more."""
        account = await self.store.account(by.id)
        if not await self.hashing.fits(current, account.password_hash):
            raise InvalidCredentials
        passwords.check(new, account.email, "/new_password")
        hashed = await self.hashing.hash(new)
        async with self.store.begin() as tx:
            standing = await tx.get_account(by.id)
            if standing.password_hash != account.password_hash:
                raise InvalidCredentials
            await tx.drop_resets(by.id)
            await self._set(tx, standing, hashed, spared=by.session_id)

    async def forgot(self, email: str) -> None:
        """Mails a link, if there is such an account. As much is written if there is none, so that the time does not tell either."""
        account = await self.store.account_by_email(email)
        async with self.store.begin() as tx:
            if account is None or account.status not in (Status.ACTIVE, Status.INVITED):
                await self.resets.granted(tx, derive_id(NOBODY, email), RESET_FOR)
                return
            reset = await self.resets.granted(tx, account.id, INVITED_FOR if account.status is Status.INVITED else RESET_FOR)
            asked = PasswordResetRequested(
                id=new_id(), occurred_at=self.now(), account_id=account.id, reset_id=reset.id, expires_at=reset.expires_at
            )
            await tx.add_event(asked)

    async def reset(self, token: str, new: str) -> None:
        """Uses the token; all sessions end; an invitation is thereby accepted."""
        reset_id = reset_id_of(self.resets.key, token)
        known = await self.store.reset(reset_id) if reset_id else None
        if known is None or not known.works(self.now()):
            raise TokenInvalid(pointer="/token")
        passwords.check(new, (await self.store.account(known.account_id)).email, "/new_password")
        hashed = await self.hashing.hash(new)
        async with self.store.begin() as tx:
            reset = await self.resets.used(tx, token)
            await self._set(tx, await tx.get_account(reset.account_id), hashed)

    async def _set(self, tx: Transaction, account: Account, hashed: str, spared: UUID | None = None) -> None:
        changed = account.with_password(hashed)
        await tx.save_account(changed)
        await self.endings.all_of(tx, account.id, but=spared)
        if changed.status is not account.status:
            await tx.add_event(changed.changed_event(new_id(), self.now()))
        else:
            await tx.add_event(PasswordChanged(id=new_id(), occurred_at=self.now(), account_id=account.id))
