"""Reset links: granted with an event, their token handed to notification-service, used once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from auth_svc.domain.refusals import TokenInvalid
from auth_svc.domain.sessions import Reset, reset_id_of, reset_token
from auth_svc.ports import Store, Transaction
from shared.kit.clock import Clock
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Resets:
    """`key` seals the tokens, of which the database keeps nothing but their ids."""

    store: Store
    key: bytes
    now: Clock

    async def granted(self, tx: Transaction, account_id: UUID, valid_for: timedelta) -> Reset:
        """Older ones of the account no longer work."""
        reset = Reset(new_id(), account_id, self.now() + valid_for)
        await tx.drop_resets(account_id)
        await tx.add_reset(reset)
        return reset

    async def token(self, reset_id: UUID) -> tuple[str, datetime]:
        """The token for the mail, as often as it is asked for while it works."""
        reset = await self.store.reset(reset_id)
        if reset is None or not reset.works(self.now()):
            raise TokenInvalid
        return reset_token(self.key, reset_id), reset.expires_at

    async def used(self, tx: Transaction, token: str) -> Reset:
        """Uses a token up, and with it every other of the account."""
        reset_id = reset_id_of(self.key, token)
        reset = await tx.get_reset(reset_id) if reset_id else None
        if reset is None or not reset.works(self.now()):
            raise TokenInvalid(pointer="/token")
        await tx.drop_resets(reset.account_id)
        return reset
