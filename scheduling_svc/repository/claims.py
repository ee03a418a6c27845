"""Reservations in SQL: two mappers and the verbs of storage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import Claim, Place
from scheduling_svc.ports import Overtaken
from scheduling_svc.repository import grains, seats
from scheduling_svc.repository.tables import CLAIMS
from shared.contracts.grains import Span, first_grain_at_or_after
from shared.kit.paging import BadCursor
from shared.kit.raw_insert import insert_statement

RESERVATION = "reservation"

ONE = select(CLAIMS).where(CLAIMS.c.id == bindparam("claim"), CLAIMS.c.kind == RESERVATION)
REWRITE = update(CLAIMS).where(
    CLAIMS.c.id == bindparam("claim"), CLAIMS.c.revision == bindparam("seen_revision"), CLAIMS.c.live == bindparam("seen_live")
)
LIVE = select(CLAIMS).where(CLAIMS.c.live, CLAIMS.c.kind == RESERVATION)


def to_row(claim: Claim) -> dict[str, Any]:
    place = claim.place
    spans = place is not None and not place.session_id
    return {
        "id": claim.id,
        "kind": RESERVATION,
        "revision": claim.revision,
        "live": claim.live,
        "over": claim.over,
        "begun": claim.begun,
        "service_id": place and place.service_id,
        "doctor_id": place and place.doctor_id,
        "patient_id": place and place.patient_id,
        "visit_from": place and place.visit.start,
        "visit_to": place and place.visit.stop,
        "span_from": place.span.start if spans and place else None,
        "span_to": place.span.stop if spans and place else None,
        "session_id": place and place.session_id,
    }


def from_row(row: Any) -> Claim:
    """The span of a seat is its session's business."""
    place = None
    if row.doctor_id is not None:
        visit = range(row.visit_from, row.visit_to)
        span = range(row.span_from, row.span_to) if row.span_from is not None else visit
        place = Place(row.service_id, row.doctor_id, row.patient_id, visit, span, row.session_id)
    return Claim(row.id, row.revision, place, row.live, row.over, row.begun)


async def one(connection: AsyncConnection, appointment_id: UUID) -> Claim | None:
    row = (await connection.execute(ONE, {"claim": appointment_id})).one_or_none()
    return from_row(row) if row else None


async def live(connection: AsyncConnection, limit: int, after: tuple[str, ...] | None) -> list[Claim]:
    query = LIVE.order_by(CLAIMS.c.id).limit(limit)
    if after is not None:
        query = query.where(CLAIMS.c.id > as_id(after[-1]))
    return [from_row(row) for row in await connection.execute(query)]


async def affected(connection: AsyncConnection, doctor_ids: Collection[UUID], span: Span, now: datetime, limit: int) -> list[Claim]:
    ahead = CLAIMS.c.visit_from >= first_grain_at_or_after(now), CLAIMS.c.begun.is_(False)
    those = LIVE.where(CLAIMS.c.doctor_id.in_(doctor_ids), CLAIMS.c.visit_to > span.start, CLAIMS.c.visit_from < span.stop, *ahead)
    return [from_row(row) for row in await connection.execute(those.order_by(CLAIMS.c.visit_from, CLAIMS.c.id).limit(limit))]


def as_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadCursor(pointer="/after") from None


async def put(connection: AsyncConnection, claim: Claim, standing: Claim | None, room: int, at: datetime) -> None:
    """Frees what the standing claim took and takes what the new one needs: in one transaction, so that a claim may move over itself."""
    if claim == standing:
        return
    row = to_row(claim) | {"changed_at": at}
    try:
        if standing is None:
            await _take(connection, claim, room, at, first=[insert_statement(CLAIMS, row)])
        else:
            await _rewrite(connection, row, standing)
            if (claim.takes, claim.session) != (standing.takes, standing.session):
                await _free(connection, standing, at)
                await _take(connection, claim, room, at)
    except IntegrityError:
        raise Overtaken from None


async def _rewrite(connection: AsyncConnection, row: dict[str, Any], standing: Claim) -> None:
    """Compare and set: revision and liveness together never come back."""
    seen = {"claim": standing.id, "seen_revision": standing.revision, "seen_live": standing.live}
    if not (await connection.execute(REWRITE, row | seen)).rowcount:
        raise Overtaken


async def _take(connection: AsyncConnection, claim: Claim, room: int, at: datetime, *, first: Sequence[str] = ()) -> None:
    await grains.take(connection, claim.id, claim.takes, over=claim.over, first=first)
    if claim.session:
        await seats.sit(connection, claim.session, claim.id, room, at)


async def _free(connection: AsyncConnection, standing: Claim, at: datetime) -> None:
    await grains.free(connection, standing.id, standing.takes)
    if standing.session:
        await seats.stand(connection, standing.session.id, standing.id, at)
