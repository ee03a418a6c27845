"""Holds in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.holds import Hold
from scheduling_svc.ports import Overtaken
from scheduling_svc.repository import grains, seats
from scheduling_svc.repository.tables import CLAIMS
from shared.contracts.grains import Span

HOLD = "hold"
HOLDS = select(CLAIMS).where(CLAIMS.c.kind == HOLD)


def to_row(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "kind": HOLD,
        "revision": 1,
        "live": hold.live,
        "over": False,
        "service_id": hold.service_id,
        "doctor_id": hold.doctor_id,
        "visit_from": hold.visit.start,
        "visit_to": hold.visit.stop,
        "span_from": hold.span.start,
        "span_to": hold.span.stop,
        "session_id": hold.session_id,
        "owner_id": hold.owner_id,
        "expires_at": hold.expires_at,
        "extended": hold.extended,
    }


def from_row(row: Any) -> Hold:
    visit, span = range(row.visit_from, row.visit_to), range(row.span_from, row.span_to)
    return Hold(row.id, row.owner_id, row.service_id, row.doctor_id, visit, span, row.expires_at, row.session_id, row.extended, row.live)


async def one(connection: AsyncConnection, hold_id: UUID) -> Hold | None:
    row = (await connection.execute(HOLDS.where(CLAIMS.c.id == hold_id))).one_or_none()
    return from_row(row) if row else None


async def of_owner(connection: AsyncConnection, owner_id: UUID) -> list[Hold]:
    return await _those(connection, CLAIMS.c.owner_id == owner_id)


async def within(connection: AsyncConnection, doctor_id: UUID, span: Span) -> list[Hold]:
    return await _those(connection, CLAIMS.c.doctor_id == doctor_id, CLAIMS.c.span_to > span.start, CLAIMS.c.span_from < span.stop)


async def _those(connection: AsyncConnection, *which: ColumnElement[bool]) -> list[Hold]:
    return [from_row(row) for row in await connection.execute(HOLDS.where(CLAIMS.c.live, *which).order_by(CLAIMS.c.id))]


async def keep(connection: AsyncConnection, hold: Hold, room: int, at: datetime) -> None:
    """In place of the owner's last one for this service, which was dropped before."""
    last = delete(CLAIMS).where(CLAIMS.c.owner_id == hold.owner_id, CLAIMS.c.service_id == hold.service_id, CLAIMS.c.live.is_(False))
    await connection.execute(last)
    try:
        await connection.execute(insert(CLAIMS), to_row(hold) | {"changed_at": at})
        await grains.take(connection, hold.id, hold.takes)
        if hold.session:
            await seats.sit(connection, hold.session, hold.id, room, at)
    except IntegrityError:
        raise Overtaken from None


async def extend(connection: AsyncConnection, hold: Hold, at: datetime) -> None:
    longer = {"expires_at": hold.expires_at, "extended": hold.extended, "changed_at": at}
    mine = update(CLAIMS).where(CLAIMS.c.id == hold.id, CLAIMS.c.live, CLAIMS.c.extended.is_(False))
    if not (await connection.execute(mine.values(longer))).rowcount:
        raise Overtaken


async def drop(connection: AsyncConnection, hold: Hold, at: datetime) -> None:
    """Whoever comes second finds it done; Overtaken when it was extended after it was looked at."""
    standing = CLAIMS.c.id == hold.id, CLAIMS.c.live
    over = update(CLAIMS).where(*standing, CLAIMS.c.expires_at == hold.expires_at).values(live=False, changed_at=at)
    if not (await connection.execute(over)).rowcount:
        if (await connection.execute(select(CLAIMS.c.id).where(*standing))).one_or_none():
            raise Overtaken
        return
    await grains.free(connection, hold.id, hold.takes)
    if hold.session:
        await seats.stand(connection, hold.session.id, hold.id, at)
