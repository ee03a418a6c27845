"""The database of auth-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from auth_svc.repository.accounts import AccountReads, AccountWrites
from auth_svc.repository.api_clients import ApiClientReads, ApiClientWrites
from auth_svc.repository.audit_heads import AuditHeadWrites
from auth_svc.repository.login_attempts import LoginAttemptWrites, delete_expired_attempts
from auth_svc.repository.sessions import SessionReads, SessionWrites, delete_expired, list_unnumbered_sessions, number_sessions
from auth_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.events import Event, SessionEnded
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.sql import Database


@dataclass
class SqlAuthTransaction(AccountWrites, SessionWrites, LoginAttemptWrites, ApiClientWrites, AuditHeadWrites):
    """Implements AuthTransaction. `events` are the events that were added."""

    events: list[Event] = field(default_factory=list)

    async def add_event(self, event: Event) -> None:
        await super().add_event(event)
        self.events.append(event)


@dataclass(frozen=True, slots=True)
class SqlAuthStore(AccountReads, SessionReads, ApiClientReads):
    """Implements AuthStore. After a commit with events it calls `wake_relay`, and `revoke_session` for each session that ended.

    `revoke_session` makes this process refuse the access tokens of a session until a Unix time.
    """

    database: Database
    now: Clock
    wake_relay: Callable[[], None]
    revoke_session: Callable[[UUID, float], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlAuthTransaction]:
        async with self.database.write() as connection:
            tx = SqlAuthTransaction(connection, INFRASTRUCTURE, Service.AUTH, self.now)
            yield tx
            await number_sessions(connection, tx.ended_session_ids)
        for event in tx.events:
            if isinstance(event, SessionEnded):
                self.revoke_session(event.session_id, event.expires_at.timestamp())
        if tx.has_events:
            self.wake_relay()

    async def number_ended_sessions(self, limit: int) -> int:
        async with self.database.write() as connection:
            session_ids = await list_unnumbered_sessions(connection, limit)
            await number_sessions(connection, session_ids)
        return len(session_ids)

    async def delete_expired_attempts(self, now: datetime) -> int:
        async with self.database.write() as connection:
            return await delete_expired_attempts(connection, now)

    async def delete_expired(self, before: datetime) -> int:
        async with self.database.write() as connection:
            return await delete_expired(connection, before)
