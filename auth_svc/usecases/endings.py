"""Ending sessions: announced with the change, and known here at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from auth_svc.domain.sessions import Session
from auth_svc.ports import Transaction
from shared.contracts.events import SessionEnded
from shared.kit.clock import Clock
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Endings:
    """`heard` is told of each end in this very process; an end that is rolled back costs its owner a new access token, no more."""

    now: Clock
    access_for: timedelta
    heard: Callable[[SessionEnded], None]

    async def one(self, tx: Transaction, session: Session) -> None:
        event = session.ended_event(new_id(), self.now(), self.access_for)
        await tx.end_session(session.id, self.now())
        await tx.announce(event)
        self.heard(event)

    async def all_of(self, tx: Transaction, account_id: UUID, but: UUID | None = None) -> None:
        """All live sessions of an account, one may be spared."""
        for session in await tx.live_sessions(account_id):
            if session.id != but:
                await self.one(tx, session)
