"""Leaves, closures and the time that they block, in SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Table, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.leaves import Block, Closure, Decision, Leave
from scheduling_svc.ports import Overtaken
from scheduling_svc.repository import grains, seats
from scheduling_svc.repository.claims import as_id
from scheduling_svc.repository.tables import CLAIMS, CLOSURES, LEAVES
from shared.kit.paging import BadCursor

OUTCOMES = TypeAdapter(tuple[Decision, ...])


async def block(connection: AsyncConnection, one: Block, at: datetime) -> None:
    """Over whatever stands there; nothing when it stands already."""
    if (await connection.execute(select(CLAIMS.c.live).where(CLAIMS.c.id == one.id))).one_or_none():
        return
    spans = {"visit_from": one.span.start, "visit_to": one.span.stop, "span_from": one.span.start, "span_to": one.span.stop}
    row = {"id": one.id, "kind": one.kind.value, "revision": 1, "live": True, "over": True, "doctor_id": one.doctor_id, "changed_at": at}
    try:
        await connection.execute(insert(CLAIMS), row | spans)
        await grains.take(connection, one.id, one.takes, over=True)
        await seats.closed_in(connection, one.doctor_id, one.span)
    except IntegrityError:
        raise Overtaken from None


async def unblock(connection: AsyncConnection, one: Block) -> None:
    if (await connection.execute(delete(CLAIMS).where(CLAIMS.c.id == one.id))).rowcount:
        await grains.free(connection, one.id, one.takes)


async def leave(connection: AsyncConnection, leave_id: UUID) -> Leave | None:
    row = (await connection.execute(select(LEAVES).where(LEAVES.c.id == leave_id))).one_or_none()
    return _leave(row) if row else None


async def leaves(connection: AsyncConnection, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
    those = select(LEAVES).where(LEAVES.c.doctor_id == doctor_id).order_by(LEAVES.c.starts_at.desc(), LEAVES.c.id.desc())
    if after is not None:
        those = those.where(_before(LEAVES, after))
    return [_leave(row) for row in await connection.execute(those.limit(limit))]


async def add_leave(connection: AsyncConnection, one: Leave) -> None:
    row = {name: getattr(one, name) for name in ("id", "doctor_id", "starts_at", "ends_at", "reason", "by_id", "created_at")}
    try:
        await connection.execute(insert(LEAVES), row | {"outcomes": OUTCOMES.dump_json(one.outcomes).decode()})
    except IntegrityError:
        raise Overtaken from None


async def drop_leave(connection: AsyncConnection, one: Leave) -> None:
    """Whoever comes second looks again."""
    if not (await connection.execute(delete(LEAVES).where(LEAVES.c.id == one.id))).rowcount:
        raise Overtaken


async def save_closure(connection: AsyncConnection, one: Closure) -> None:
    row = {name: getattr(one, name) for name in Closure.__slots__}
    changed = update(CLOSURES).where(CLOSURES.c.id == one.id).values(row)
    if not (await connection.execute(changed)).rowcount:
        await connection.execute(insert(CLOSURES), row)


async def closure(connection: AsyncConnection, closure_id: UUID) -> Closure | None:
    row = (await connection.execute(select(CLOSURES).where(CLOSURES.c.id == closure_id))).one_or_none()
    return _closure(row) if row else None


async def closures(connection: AsyncConnection, now: datetime) -> list[Closure]:
    those = select(CLOSURES).where(or_(CLOSURES.c.ends_at > now, CLOSURES.c.settled.is_(False))).order_by(CLOSURES.c.id)
    return [_closure(row) for row in await connection.execute(those)]


async def all_closures(connection: AsyncConnection, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
    those = select(CLOSURES).where(CLOSURES.c.lifted.is_(False)).order_by(CLOSURES.c.starts_at.desc(), CLOSURES.c.id.desc())
    if after is not None:
        those = those.where(_before(CLOSURES, after))
    return [_closure(row) for row in await connection.execute(those.limit(limit))]


def _leave(row: Any) -> Leave:
    known = (row.id, row.doctor_id, row.starts_at, row.ends_at, row.reason, row.by_id, row.created_at)
    return Leave(*known, OUTCOMES.validate_json(row.outcomes))


def _closure(row: Any) -> Closure:
    return Closure(*(getattr(row, name) for name in Closure.__slots__))


def _before(table: Table, after: tuple[str, ...]) -> ColumnElement[bool]:
    """What comes after a place in a list with the latest first."""
    try:
        at, one = after
        starts_at, last = datetime.fromisoformat(at).astimezone(UTC), as_id(one)
    except (ValueError, OverflowError):
        raise BadCursor(pointer="/after") from None
    return or_(table.c.starts_at < starts_at, and_(table.c.starts_at == starts_at, table.c.id < last))
