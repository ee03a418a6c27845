"""Counters of login attempts in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Insert, delete, select, update
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain.login_attempts import AttemptCounter, CounterKey
from auth_svc.repository.tables import LOGIN_ATTEMPTS
from shared.kit.outbox import SqlTransaction

MAX_DELETED_AT_ONCE = 500


class LoginAttemptWrites(SqlTransaction):
    """The part of SqlAuthTransaction that counts login attempts."""

    async def lock_attempts(self, keys: Sequence[CounterKey]) -> list[AttemptCounter]:
        """Insert the missing rows first, because a row that does not exist cannot be locked. All rows are locked in one order."""
        in_order = sorted(keys, key=lambda key: key.digest)
        await self.connection.execute(_insert_missing(self.connection.dialect.name, [_unused_row(key, self.now()) for key in in_order]))
        is_locked = LOGIN_ATTEMPTS.c.digest.in_([key.digest for key in in_order])
        rows = await self.connection.execute(select(LOGIN_ATTEMPTS).where(is_locked).order_by(LOGIN_ATTEMPTS.c.digest).with_for_update())
        by_digest = {row.digest: _counter_from_row(row) for row in rows}
        return [by_digest[key.digest] for key in keys]

    async def save_attempts(self, counter: AttemptCounter) -> None:
        is_counter = LOGIN_ATTEMPTS.c.digest == counter.digest
        if counter.expires_at is None:
            await self.connection.execute(delete(LOGIN_ATTEMPTS).where(is_counter))
            return
        state = {
            "failed_at": _text_of(counter.failed_at),
            "pending_at": _text_of(counter.pending_at),
            "delays": counter.delays,
            "delayed_until": counter.delayed_until,
            "is_announced": counter.is_announced,
            "expires_at": counter.expires_at,
        }
        await self.connection.execute(update(LOGIN_ATTEMPTS).where(is_counter).values(state))

    async def delete_attempts(self, account: str) -> None:
        await self.connection.execute(delete(LOGIN_ATTEMPTS).where(LOGIN_ATTEMPTS.c.account == account))


def _unused_row(key: CounterKey, now: datetime) -> dict[str, Any]:
    return {
        "digest": key.digest,
        "account": key.account,
        "failed_at": "",
        "pending_at": "",
        "delays": 0,
        "delayed_until": None,
        "is_announced": False,
        "expires_at": now,
    }


def _insert_missing(dialect: str, rows: list[dict[str, Any]]) -> Insert:
    """Return an INSERT that leaves existing rows as they are. On MySQL it locks them; INSERT IGNORE would share the lock and deadlock."""
    if dialect == "sqlite":
        return sqlite.insert(LOGIN_ATTEMPTS).values(rows).on_conflict_do_nothing()
    insert = mysql.insert(LOGIN_ATTEMPTS).values(rows)
    return insert.on_duplicate_key_update(digest=insert.inserted.digest)


def _counter_from_row(row: Any) -> AttemptCounter:
    failed_at, pending_at = _instants_of(row.failed_at), _instants_of(row.pending_at)
    return AttemptCounter(row.digest, failed_at, pending_at, row.delays, row.delayed_until, row.is_announced)


def _text_of(instants: Sequence[datetime]) -> str:
    return " ".join(instant.astimezone(UTC).isoformat() for instant in instants)


def _instants_of(text: str) -> tuple[datetime, ...]:
    return tuple(map(datetime.fromisoformat, text.split()))


async def delete_expired_attempts(connection: AsyncConnection, now: datetime) -> int:
    """Delete up to MAX_DELETED_AT_ONCE counters that have expired; return how many."""
    has_expired = LOGIN_ATTEMPTS.c.expires_at < now
    digests = list(await connection.scalars(select(LOGIN_ATTEMPTS.c.digest).where(has_expired).limit(MAX_DELETED_AT_ONCE)))
    deleted = await connection.execute(delete(LOGIN_ATTEMPTS).where(LOGIN_ATTEMPTS.c.digest.in_(digests), has_expired))
    return deleted.rowcount
