"""The store of auth-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from auth_svc.domain.accounts import Account
from auth_svc.domain.sessions import Reset, Session
from auth_svc.repository import accounts, sessions
from auth_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.events import Event, SessionEnded
from shared.contracts.identity import Role, Service
from shared.kit.clock import Clock
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database


@dataclass
class Transaction(SqlTransaction):
    """One transaction of auth-service."""

    announced: list[Event] = field(default_factory=list)

    async def get_account(self, account_id: UUID) -> Account:
        return await accounts.known(self.connection, account_id, lock=True)

    async def find_account(self, account_id: UUID) -> Account | None:
        return await accounts.by_id(self.connection, account_id, lock=True)

    async def add_account(self, account: Account) -> None:
        await accounts.add(self.connection, account)

    async def save_account(self, account: Account) -> None:
        await accounts.save(self.connection, account)

    async def drop_account(self, account_id: UUID) -> None:
        await accounts.drop(self.connection, account_id)

    async def other_active_admins(self, account_id: UUID) -> int:
        return await accounts.other_active_admins(self.connection, account_id)

    async def add_session(self, session: Session, refresh_hash: str) -> None:
        await sessions.add(self.connection, session, refresh_hash)

    async def session_of_token(self, refresh_hash: str) -> tuple[Session, bool] | None:
        return await sessions.of_token(self.connection, refresh_hash)

    async def rotate(self, session: Session, old_hash: str, new_hash: str) -> None:
        await sessions.rotate(self.connection, session, old_hash, new_hash)

    async def live_sessions(self, account_id: UUID) -> list[Session]:
        return await sessions.live(self.connection, account_id)

    async def end_session(self, session_id: UUID, at: datetime) -> None:
        await sessions.end(self.connection, session_id, at)

    async def add_reset(self, reset: Reset) -> None:
        await sessions.add_reset(self.connection, reset)

    async def get_reset(self, reset_id: UUID) -> Reset | None:
        return await sessions.reset(self.connection, reset_id, lock=True)

    async def drop_resets(self, account_id: UUID) -> None:
        await sessions.drop_resets(self.connection, account_id)

    async def add_event(self, event: Event) -> None:
        await super().add_event(event)
        self.announced.append(event)


@dataclass(frozen=True, slots=True)
class SqlStore:
    """After a commit `announced` wakes the relay, and `ended` hears of each session that ended."""

    database: Database
    now: Clock
    announced: Callable[[], None]
    ended: Callable[[SessionEnded], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self.database.write() as connection:
            tx = Transaction(connection, INFRASTRUCTURE, Service.AUTH, self.now)
            yield tx
        for event in tx.announced:
            if isinstance(event, SessionEnded):
                self.ended(event)
        self.announced()

    async def account(self, account_id: UUID) -> Account:
        async with self.database.read() as connection:
            return await accounts.known(connection, account_id)

    async def account_by_email(self, email: str) -> Account | None:
        async with self.database.read() as connection:
            return await accounts.by_email(connection, email)

    async def accounts(
        self, *, role: Role | None, status: str | None, text: str | None, limit: int, after: tuple[str, ...] | None
    ) -> list[Account]:
        async with self.database.read() as connection:
            return await accounts.listed(connection, role=role, status=status, text=text, limit=limit, after=after)

    async def pending_accounts(self, before: datetime, limit: int) -> list[Account]:
        async with self.database.read() as connection:
            return await accounts.pending(connection, before, limit)

    async def has_admin(self) -> bool:
        async with self.database.read() as connection:
            return await accounts.has_admin(connection)

    async def ended_sessions(self, since: datetime) -> list[Session]:
        async with self.database.read() as connection:
            return await sessions.ended(connection, since)

    async def reset(self, reset_id: UUID) -> Reset | None:
        async with self.database.read() as connection:
            return await sessions.reset(connection, reset_id)

    async def forget(self, before: datetime) -> int:
        async with self.database.write() as connection:
            return await sessions.forget(connection, before)
