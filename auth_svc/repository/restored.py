"""Ending the sessions in a database that was restored from a backup."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.repository.sessions import number_sessions
from auth_svc.repository.tables import REFRESH_TOKENS, SESSIONS

BATCH = 500


async def end_sessions(connection: AsyncConnection, now: datetime) -> int:
    """End up to BATCH sessions, and return how many. Their refresh tokens may have been used since the backup, or their sessions ended."""
    live = list(await connection.scalars(select(SESSIONS.c.id).where(SESSIONS.c.ended_at.is_(None)).order_by(SESSIONS.c.id).limit(BATCH)))
    await connection.execute(delete(REFRESH_TOKENS).where(REFRESH_TOKENS.c.session_id.in_(live)))
    await connection.execute(update(SESSIONS).where(SESSIONS.c.id.in_(live)).values(ended_at=now))
    await number_sessions(connection, live)
    return len(live)
