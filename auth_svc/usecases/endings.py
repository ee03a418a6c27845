"""Ending sessions: announced with the change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from auth_svc.domain.sessions import Session
from auth_svc.ports import Transaction
from shared.kit.clock import Clock
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Endings:
    """`access_for` is how long an access token lives."""

    now: Clock
    access_for: timedelta

    async def one(self, tx: Transaction, session: Session) -> None:
        await tx.end_session(session.id, self.now())
        await tx.add_event(session.ended_event(new_id(), self.now(), self.access_for))

    async def all_of(self, tx: Transaction, account_id: UUID, but: UUID | None = None) -> None:
        """All live sessions of an account, one may be spared."""
        for session in await tx.live_sessions(account_id):
            if session.id != but:
                await self.one(tx, session)
