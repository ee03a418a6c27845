"""Sessions, refresh tokens and resets in SQL."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain.sessions import Reset, Session
from auth_svc.repository.tables import REFRESH_TOKENS, RESETS, SESSIONS


def session_from(row: Any) -> Session:
    return Session(**row._mapping)


async def add(connection: AsyncConnection, session: Session, refresh_hash: str) -> None:
    await connection.execute(insert(SESSIONS).values(asdict(session)))
    await add_token(connection, session, refresh_hash)


async def add_token(connection: AsyncConnection, session: Session, refresh_hash: str) -> None:
    row = {"token_hash": refresh_hash, "session_id": session.id, "used": False, "expires_at": session.expires_at}
    await connection.execute(insert(REFRESH_TOKENS).values(row))


async def of_token(connection: AsyncConnection, refresh_hash: str) -> tuple[Session, bool] | None:
    """The session's row is locked first, so that of two who bring the same token one sees that it was used."""
    token = select(REFRESH_TOKENS).where(REFRESH_TOKENS.c.token_hash == refresh_hash)
    found = (await connection.execute(token)).one_or_none()
    if found is None:
        return None
    query = select(SESSIONS).where(SESSIONS.c.id == found.session_id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    now = (await connection.execute(token.with_for_update())).one_or_none()
    return (session_from(row), now.used) if row and now else None


async def rotate(connection: AsyncConnection, session: Session, old_hash: str, new_hash: str) -> None:
    used = update(REFRESH_TOKENS).where(REFRESH_TOKENS.c.token_hash == old_hash).values(used=True)
    touched = {"last_used_at": session.last_used_at, "expires_at": session.expires_at}
    await connection.execute(used)
    await add_token(connection, session, new_hash)
    await connection.execute(update(SESSIONS).where(SESSIONS.c.id == session.id).values(touched))


async def live(connection: AsyncConnection, account_id: UUID) -> list[Session]:
    query = select(SESSIONS).where(SESSIONS.c.account_id == account_id, SESSIONS.c.ended_at.is_(None)).with_for_update()
    return [session_from(row) for row in await connection.execute(query)]


async def end(connection: AsyncConnection, session_id: UUID, at: datetime) -> None:
    await connection.execute(update(SESSIONS).where(SESSIONS.c.id == session_id).values(ended_at=at))


async def ended(connection: AsyncConnection, since: datetime) -> list[Session]:
    return [session_from(row) for row in await connection.execute(select(SESSIONS).where(SESSIONS.c.ended_at >= since))]


async def add_reset(connection: AsyncConnection, reset: Reset) -> None:
    await connection.execute(insert(RESETS).values(asdict(reset)))


async def reset(connection: AsyncConnection, reset_id: UUID, *, lock: bool = False) -> Reset | None:
    query = select(RESETS).where(RESETS.c.id == reset_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return Reset(**row._mapping) if row else None


async def drop_resets(connection: AsyncConnection, account_id: UUID) -> None:
    await connection.execute(delete(RESETS).where(RESETS.c.account_id == account_id))


async def forget(connection: AsyncConnection, before: datetime, limit: int = 500) -> int:
    """In portions, so that a transaction stays short. A used token is remembered for as long as a thief could have shown it."""
    over = select(SESSIONS.c.id).where(or_(SESSIONS.c.ended_at < before, SESSIONS.c.expires_at < before)).limit(limit)
    gone = list(await connection.scalars(over))
    await connection.execute(delete(REFRESH_TOKENS).where(or_(REFRESH_TOKENS.c.session_id.in_(gone), REFRESH_TOKENS.c.expires_at < before)))
    await connection.execute(delete(SESSIONS).where(SESSIONS.c.id.in_(gone)))
    await connection.execute(delete(RESETS).where(RESETS.c.expires_at < before))
    return len(gone)
