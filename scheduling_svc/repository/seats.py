"""Seats in the sessions of groups, taken and given back under the lock of the session's row; the last one given back releases it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import Session, Take
from scheduling_svc.domain.leaves import Kind
from scheduling_svc.ports import Overtaken
from scheduling_svc.repository import grains
from scheduling_svc.repository.tables import CLAIMS, SEATS
from shared.contracts.grains import Span

SESSION = "session"
BLOCKS = [kind.value for kind in Kind]


async def sit(connection: AsyncConnection, session: Session, claim_id: UUID, room: int, at: datetime) -> None:
    """The lowest free seat among so many; Overtaken when there is none any more. The first one brings the session into being."""
    standing = await _locked(connection, session.id)
    row = _row(session, at)
    if standing is None:
        await connection.execute(insert(CLAIMS), row | {"revision": 1})
    elif not standing.live:
        await connection.execute(update(CLAIMS).where(CLAIMS.c.id == session.id).values(row | {"revision": standing.revision + 1}))
    elif _span(standing) != session.span or await _is_blocked(connection, session):
        raise Overtaken
    if standing is None or not standing.live:
        await grains.take(connection, session.id, session.takes)
    taken = set(await connection.scalars(select(SEATS.c.seat).where(SEATS.c.session_id == session.id)))
    if len(taken) >= room:
        raise Overtaken
    seat = next(seat for seat in range(room) if seat not in taken)
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


async def closed_in(connection: AsyncConnection, doctor_id: UUID, span: Span) -> None:
    """From here on whoever wants a seat in a session of this time waits, and then meets what blocks it; a seat has no grain that would."""
    within = CLAIMS.c.span_to > span.start, CLAIMS.c.span_from < span.stop
    sessions = select(CLAIMS.c.id).where(CLAIMS.c.doctor_id == doctor_id, CLAIMS.c.live, CLAIMS.c.kind == SESSION, *within)
    await connection.execute(sessions.order_by(CLAIMS.c.id).with_for_update())


async def _is_blocked(connection: AsyncConnection, session: Session) -> bool:
    """Since it was decided to sit there."""
    within = CLAIMS.c.span_to > session.span.start, CLAIMS.c.span_from < session.span.stop
    blocks = select(CLAIMS.c.id).where(CLAIMS.c.doctor_id == session.doctor_id, CLAIMS.c.live, CLAIMS.c.kind.in_(BLOCKS), *within)
    return (await connection.execute(blocks.limit(1))).first() is not None


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
