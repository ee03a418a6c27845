"""Ending sessions inside the transaction of another change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from auth_svc.domain.sessions import Session
from auth_svc.ports import AuthTransaction
from shared.kit.clock import Clock
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class SessionRevocation:
    """Ends sessions and announces it, so that every service refuses their access tokens."""

    now: Clock
    access_token_lifetime: timedelta

    async def revoke(self, tx: AuthTransaction, session: Session) -> None:
        """End one session and add its SessionEnded event."""
        now = self.now()
        await tx.end_session(session.id, now)
        await tx.add_event(session.ended_event(new_id(), now, self.access_token_lifetime))

    async def revoke_all(self, tx: AuthTransaction, account_id: UUID, *, except_session_id: UUID | None = None) -> None:
        """End all live sessions of an account, except for one if its id is given."""
        for session in await tx.list_live_sessions(account_id):
            if session.id != except_session_id:
                await self.revoke(tx, session)
