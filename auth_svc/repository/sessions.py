"""Sessions, refresh tokens and password resets in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain.password_resets import PasswordReset
from auth_svc.domain.sessions import Session, StoredRefreshToken
from auth_svc.repository.tables import PASSWORD_RESETS, REFRESH_TOKENS, SESSION_END_NUMBERS, SESSIONS
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database

MAX_DELETED_AT_ONCE = 500


class SessionReads:
    """The part of SqlAuthStore that reads sessions and password resets."""

    __slots__ = ()
    database: Database

    async def list_ended_sessions(self, since: datetime, after: int, limit: int) -> tuple[list[Session], int]:
        is_new = (SESSIONS.c.end_number > after) & (SESSIONS.c.ended_at >= since)
        async with self.database.read() as connection:
            rows = await connection.execute(select(SESSIONS).where(is_new).order_by(SESSIONS.c.end_number).limit(limit))
            last_number = await connection.scalar(select(SESSION_END_NUMBERS.c.last_number))
            return [Session(**row._mapping) for row in rows], last_number or 0

    async def list_sessions(self, account_id: UUID, limit: int) -> list[Session]:
        query = select(SESSIONS).where(SESSIONS.c.account_id == account_id).order_by(SESSIONS.c.last_used_at.desc(), SESSIONS.c.id)
        async with self.database.read() as connection:
            return [Session(**row._mapping) for row in await connection.execute(query.limit(limit))]

    async def find_password_reset(self, reset_id: UUID) -> PasswordReset | None:
        async with self.database.read() as connection:
            row = (await connection.execute(select(PASSWORD_RESETS).where(PASSWORD_RESETS.c.id == reset_id))).one_or_none()
        return PasswordReset(**row._mapping) if row else None


@dataclass
class SessionWrites(SqlTransaction):
    """The part of SqlAuthTransaction that writes sessions and password resets. `ended_session_ids` are numbered right before the commit."""

    ended_session_ids: list[UUID] = field(default_factory=list)

    async def insert_session(self, session: Session, token_hash: str) -> None:
        await self.insert_session_without_refresh_token(session)
        await self._insert_refresh_token(session, token_hash)

    async def insert_session_without_refresh_token(self, session: Session) -> None:
        await self.connection.execute(insert(SESSIONS).values(asdict(session)))

    async def find_refresh_token(self, token_hash: str) -> StoredRefreshToken | None:
        """Read the token again once its session is locked, so that of two requests with the same token one sees that it was used."""
        token_query = select(REFRESH_TOKENS).where(REFRESH_TOKENS.c.token_hash == token_hash)
        token = (await self.connection.execute(token_query)).one_or_none()
        if token is None:
            return None
        session_query = select(SESSIONS).where(SESSIONS.c.id == token.session_id).with_for_update()
        session = (await self.connection.execute(session_query)).one_or_none()
        current_token = (await self.connection.execute(token_query.with_for_update())).one_or_none()
        return StoredRefreshToken(Session(**session._mapping), current_token.used) if session and current_token else None

    async def replace_refresh_token(self, session: Session, used_hash: str, new_hash: str) -> None:
        await self.connection.execute(update(REFRESH_TOKENS).where(REFRESH_TOKENS.c.token_hash == used_hash).values(used=True))
        await self._insert_refresh_token(session, new_hash)
        changes = {"last_used_at": session.last_used_at, "expires_at": session.expires_at, "address": session.address}
        await self.connection.execute(update(SESSIONS).where(SESSIONS.c.id == session.id).values(changes))

    async def list_live_sessions(self, account_id: UUID) -> list[Session]:
        is_live = (SESSIONS.c.account_id == account_id) & SESSIONS.c.ended_at.is_(None)
        rows = await self.connection.execute(select(SESSIONS).where(is_live).with_for_update())
        return [Session(**row._mapping) for row in rows]

    async def delete_session_details(self, account_id: UUID) -> int:
        sessions = select(SESSIONS.c.id).where(SESSIONS.c.account_id == account_id)
        deleted = await self.connection.execute(delete(REFRESH_TOKENS).where(REFRESH_TOKENS.c.session_id.in_(sessions)))
        await self.connection.execute(update(SESSIONS).where(SESSIONS.c.account_id == account_id).values(address=None))
        return deleted.rowcount

    async def list_surplus_sessions(self, account_id: UUID, now: datetime, *, keep: int, limit: int) -> list[Session]:
        by_use = (SESSIONS.c.last_used_at.desc(), SESSIONS.c.id)
        query = select(SESSIONS).where(_is_live(account_id, now)).order_by(*by_use).offset(keep).limit(limit)
        return [Session(**row._mapping) for row in await self.connection.execute(query)]

    async def has_live_session(self, account_id: UUID, address: str, now: datetime) -> bool:
        query = select(SESSIONS.c.id).where(_is_live(account_id, now), SESSIONS.c.address == address).limit(1)
        return await self.connection.scalar(query) is not None

    async def end_session(self, session_id: UUID, ended_at: datetime) -> None:
        await self.connection.execute(update(SESSIONS).where(SESSIONS.c.id == session_id).values(ended_at=ended_at))
        self.ended_session_ids.append(session_id)

    async def insert_password_reset(self, reset: PasswordReset) -> None:
        await self.connection.execute(insert(PASSWORD_RESETS).values(asdict(reset)))

    async def find_password_reset(self, reset_id: UUID) -> PasswordReset | None:
        query = select(PASSWORD_RESETS).where(PASSWORD_RESETS.c.id == reset_id).with_for_update()
        row = (await self.connection.execute(query)).one_or_none()
        return PasswordReset(**row._mapping) if row else None

    async def delete_password_resets(self, account_id: UUID) -> None:
        await self.connection.execute(delete(PASSWORD_RESETS).where(PASSWORD_RESETS.c.account_id == account_id))

    async def _insert_refresh_token(self, session: Session, token_hash: str) -> None:
        row = {"token_hash": token_hash, "session_id": session.id, "used": False, "expires_at": session.expires_at}
        await self.connection.execute(insert(REFRESH_TOKENS).values(row))


def _is_live(account_id: UUID, now: datetime) -> ColumnElement[bool]:
    return and_(SESSIONS.c.account_id == account_id, SESSIONS.c.ended_at.is_(None), SESSIONS.c.expires_at > now)


async def number_sessions(connection: AsyncConnection, session_ids: Sequence[UUID]) -> None:
    """Give ended sessions the next numbers.

    The numbers are locked until the transaction ends. Called right before the commit, this makes them grow in the order of the commits:
    once a reader has seen a number, no lower one appears.
    """
    if not session_ids:
        return
    increase = update(SESSION_END_NUMBERS).values(last_number=SESSION_END_NUMBERS.c.last_number + len(session_ids))
    await connection.execute(increase)
    last_number: int = (await connection.execute(select(SESSION_END_NUMBERS.c.last_number))).scalar_one()
    numbered = update(SESSIONS).where(SESSIONS.c.id == bindparam("session_id")).values(end_number=bindparam("number"))
    first_number = last_number - len(session_ids) + 1
    await connection.execute(
        numbered, [{"session_id": session_id, "number": first_number + index} for index, session_id in enumerate(session_ids)]
    )


async def list_unnumbered_sessions(connection: AsyncConnection, limit: int) -> list[UUID]:
    """Return the ids of ended sessions without a number, the earliest first."""
    is_unnumbered = SESSIONS.c.end_number.is_(None) & SESSIONS.c.ended_at.is_not(None)
    return list(await connection.scalars(select(SESSIONS.c.id).where(is_unnumbered).order_by(SESSIONS.c.ended_at).limit(limit)))


async def delete_expired(connection: AsyncConnection, before: datetime) -> int:
    """Delete up to MAX_DELETED_AT_ONCE sessions that ended or expired before an instant; return how many.

    A used refresh token stays until it would have expired, so that its reuse is noticed.
    """
    has_expired = or_(SESSIONS.c.ended_at < before, SESSIONS.c.expires_at < before)
    session_ids = list(await connection.scalars(select(SESSIONS.c.id).where(has_expired).limit(MAX_DELETED_AT_ONCE)))
    is_obsolete = or_(REFRESH_TOKENS.c.session_id.in_(session_ids), REFRESH_TOKENS.c.expires_at < before)
    await connection.execute(delete(REFRESH_TOKENS).where(is_obsolete))
    await connection.execute(delete(SESSIONS).where(SESSIONS.c.id.in_(session_ids)))
    await connection.execute(delete(PASSWORD_RESETS).where(PASSWORD_RESETS.c.expires_at < before))
    return len(session_ids)
