"""Seats in the sessions of groups, taken and given back under the lock of the session's row; the last one given back releases it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import Session, Take
from scheduling_svc.ports import Overtaken
from scheduling_svc.repository import grains
from scheduling_svc.repository.tables import CLAIMS, SEATS

SESSION = "session"


async def sit(connection: AsyncConnection, session: Session, claim_id: UUID, room: int, at: datetime) -> None:
    """The lowest free seat among so many; Overtaken when there is none any more. The first one brings the session into being."""
    standing = await _locked(connection, session.id)
    row = _row(session, at)
    if standing is None:
        await connection.execute(insert(CLAIMS), row | {"revision": 1})
    elif not standing.live:
        await connection.execute(update(CLAIMS).where(CLAIMS.c.id == session.id).values(row | {"revision": standing.revision + 1}))
    elif _span(standing) != session.span:
        raise Overtaken
    if standing is None or not standing.live:
        await grains.take(connection, session.id, session.takes)
    taken = set(await connection.scalars(select(SEATS.c.seat).where(SEATS.c.session_id == session.id)))
    seat = next((seat for seat in range(room) if seat not in taken), None)
    if seat is None:
        raise Overtaken
    await connection.execute(insert(SEATS), {"session_id": session.id, "seat": seat, "claim_id": claim_id})


async def stand(connection: AsyncConnection, session_id: UUID, claim_id: UUID, at: datetime) -> None:
    """Gives a seat back; harmless to repeat."""
    session = await _locked(connection, session_id)
    given = delete(SEATS).where(SEATS.c.session_id == session_id, SEATS.c.claim_id == claim_id)
    if not (await connection.execute(given)).rowcount or session is None:
        return
    if (await connection.scalars(select(SEATS.c.seat).where(SEATS.c.session_id == session_id).limit(1))).first() is None:
        over = update(CLAIMS).where(CLAIMS.c.id == session_id).values(live=False, revision=session.revision + 1, changed_at=at)
        await connection.execute(over)
        await grains.free(connection, session_id, [Take(session.doctor_id, _span(session))])


async def _locked(connection: AsyncConnection, session_id: UUID) -> Any:
    return (await connection.execute(select(CLAIMS).where(CLAIMS.c.id == session_id).with_for_update())).one_or_none()


def _span(row: Any) -> range:
    return range(row.span_from, row.span_to)


def _row(session: Session, at: datetime) -> dict[str, Any]:
    return {
        "id": session.id,
        "kind": SESSION,
        "live": True,
        "over": False,
        "service_id": session.service_id,
        "doctor_id": session.doctor_id,
        "visit_from": session.visit.start,
        "visit_to": session.visit.stop,
        "span_from": session.span.start,
        "span_to": session.span.stop,
        "changed_at": at,
    }
