"""Seats of group sessions, taken and released under the lock of the session's row; the release of the last seat frees the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import GroupSession, ResourceSpan
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import grains
from scheduling_svc.repository.tables import CLAIMS, SEATS, ClaimKind
from shared.contracts.grains import Span

BLOCK_KINDS = [ClaimKind.LEAVE, ClaimKind.CLOSURE]


@dataclass(frozen=True, slots=True)
class SeatTerms:
    """How a seat may be taken: how many there are, and whether staff let the session lie over other claims or in a leave."""

    capacity: int
    may_overlap: bool = False
    may_be_blocked: bool = False


async def take_seat(connection: AsyncConnection, session: GroupSession, claim_id: UUID, terms: SeatTerms, *, now: datetime) -> None:
    """Take the lowest free seat; raise LostRace if none is free, or if the session has other times now or is blocked.

    The first seat creates the session and takes the time of the doctor.
    """
    stored = await _lock_session(connection, session.id)
    row = _session_row(session, now)
    if stored is None:
        await connection.execute(insert(CLAIMS), row | {"revision": 1})
    elif not stored.live:
        await connection.execute(update(CLAIMS).where(CLAIMS.c.id == session.id).values(row | {"revision": stored.revision + 1}))
    elif _span_of(stored) != session.span or (not terms.may_be_blocked and await _is_blocked(connection, session)):
        raise LostRace
    if stored is None or not stored.live:
        overlapping = [session.doctor_id] if terms.may_overlap else []
        await grains.take_grains(connection, session.id, session.resource_spans, overlapping=overlapping)
    taken = set(await connection.scalars(select(SEATS.c.seat).where(SEATS.c.session_id == session.id)))
    if len(taken) >= terms.capacity:
        raise LostRace
    seat = next(seat for seat in range(terms.capacity) if seat not in taken)
    await connection.execute(insert(SEATS), {"session_id": session.id, "seat": seat, "claim_id": claim_id})


async def hand_over_seat(connection: AsyncConnection, session_id: UUID, from_claim_id: UUID, claim_id: UUID) -> None:
    """Give the seat of one claim to another; raise LostRace if it has none."""
    own = SEATS.c.session_id == session_id, SEATS.c.claim_id == from_claim_id
    if not (await connection.execute(update(SEATS).where(*own).values(claim_id=claim_id))).rowcount:
        raise LostRace


async def release_seat(connection: AsyncConnection, session_id: UUID, claim_id: UUID, *, now: datetime) -> None:
    """Release a seat; the last one ends the session and frees the time of the doctor. Harmless to repeat."""
    session = await _lock_session(connection, session_id)
    deleted = await connection.execute(delete(SEATS).where(SEATS.c.session_id == session_id, SEATS.c.claim_id == claim_id))
    if not deleted.rowcount or session is None:
        return
    if (await connection.scalars(select(SEATS.c.seat).where(SEATS.c.session_id == session_id).limit(1))).first() is None:
        ended = update(CLAIMS).where(CLAIMS.c.id == session_id).values(live=False, revision=session.revision + 1, changed_at=now)
        await connection.execute(ended)
        if not session.archived:
            await grains.free_grains(connection, session_id, [ResourceSpan(session.doctor_id, _span_of(session))])


async def lock_sessions(connection: AsyncConnection, doctor_id: UUID, span: Span) -> None:
    """Lock the sessions in a span that has just been blocked.

    Seats have no grains, so the primary key cannot report the conflict. A transaction that takes a seat waits for this lock
    and then finds the block.
    """
    sessions = select(CLAIMS.c.id).where(
        CLAIMS.c.doctor_id == doctor_id, CLAIMS.c.live, CLAIMS.c.kind == ClaimKind.SESSION, *_overlapping(span)
    )
    await connection.execute(sessions.order_by(CLAIMS.c.id).with_for_update())


async def _is_blocked(connection: AsyncConnection, session: GroupSession) -> bool:
    """Return True if the time of the session was blocked by a leave or closure after the seat was granted."""
    blocks = select(CLAIMS.c.id).where(
        CLAIMS.c.doctor_id == session.doctor_id, CLAIMS.c.live, CLAIMS.c.kind.in_(BLOCK_KINDS), *_overlapping(session.span)
    )
    return (await connection.execute(blocks.limit(1))).first() is not None


async def _lock_session(connection: AsyncConnection, session_id: UUID) -> Any:
    return (await connection.execute(select(CLAIMS).where(CLAIMS.c.id == session_id).with_for_update())).one_or_none()


def _overlapping(span: Span) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return CLAIMS.c.span_to > span.start, CLAIMS.c.span_from < span.stop


def _span_of(row: Any) -> Span:
    return range(row.span_from, row.span_to)


def _session_row(session: GroupSession, now: datetime) -> dict[str, Any]:
    return {
        "id": session.id,
        "kind": ClaimKind.SESSION,
        "live": True,
        "over": False,
        "archived": False,
        "service_id": session.service_id,
        "doctor_id": session.doctor_id,
        "visit_from": session.visit.start,
        "visit_to": session.visit.stop,
        "span_from": session.span.start,
        "span_to": session.span.stop,
        "changed_at": now,
    }
