"""Leaves, closures and the time that they block, in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Table, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.leaves import Closure, Leave, LeaveDecision, TimeBlock
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import grains, seats
from scheduling_svc.repository.tables import CLAIMS, CLOSURES, LEAVES, ClaimKind
from shared.contracts.grains import Span
from shared.kit.clock import Clock
from shared.kit.keyset_pagination import rows_after
from shared.kit.paging import parse_instant, parse_sort_key

OUTCOMES = TypeAdapter(tuple[LeaveDecision, ...])
LEAVE_COLUMNS = ("id", "doctor_id", "starts_at", "ends_at", "reason", "by_id", "created_at")
CLOSURE_COLUMNS = ("id", "starts_at", "ends_at", "reason", "location", "by_id", "created_at", "lifted", "settled")


class BlockReader:
    """Reads leaves and closures."""

    connection: AsyncConnection

    async def find_leave(self, leave_id: UUID) -> Leave | None:
        """Return a leave, None if there is none with this id."""
        row = (await self.connection.execute(select(LEAVES).where(LEAVES.c.id == leave_id))).one_or_none()
        return _leave_from_row(row) if row else None

    async def find_closure(self, closure_id: UUID) -> Closure | None:
        """Return a closure, also a lifted one."""
        row = (await self.connection.execute(select(CLOSURES).where(CLOSURES.c.id == closure_id))).one_or_none()
        return _closure_from_row(row) if row else None


class BlockWriter(BlockReader):
    """Writes leaves and closures, and blocks and frees time."""

    now: Clock

    async def insert_block(self, block: TimeBlock) -> None:
        """Block time, also where it is taken; do nothing if the block exists. Raise LostRace if another transaction inserts it."""
        if (await self.connection.execute(select(CLAIMS.c.live).where(CLAIMS.c.id == block.id))).one_or_none():
            return
        row = {
            "id": block.id,
            "kind": block.kind.value,
            "revision": 1,
            "live": True,
            "over": True,
            "doctor_id": block.doctor_id,
            "visit_from": block.span.start,
            "visit_to": block.span.stop,
            "span_from": block.span.start,
            "span_to": block.span.stop,
            "changed_at": self.now(),
        }
        try:
            await self.connection.execute(insert(CLAIMS), row)
            await grains.take_grains(self.connection, block.id, block.resource_spans, overlapping=[block.doctor_id])
            await seats.lock_sessions(self.connection, block.doctor_id, block.span)
        except IntegrityError:
            raise LostRace from None

    async def delete_block(self, block: TimeBlock) -> None:
        """Free the grains of a block, unless they were deleted when it was archived. Harmless to repeat."""
        row = (await self.connection.execute(select(CLAIMS.c.archived).where(CLAIMS.c.id == block.id).with_for_update())).one_or_none()
        if row is None:
            return
        await self.connection.execute(delete(CLAIMS).where(CLAIMS.c.id == block.id))
        if not row.archived:
            await grains.free_grains(self.connection, block.id, block.resource_spans)

    async def insert_leave(self, leave: Leave) -> None:
        """Insert a leave; raise LostRace if its id is taken."""
        row = {name: getattr(leave, name) for name in LEAVE_COLUMNS}
        try:
            await self.connection.execute(insert(LEAVES), row | {"outcomes": OUTCOMES.dump_json(leave.outcomes).decode()})
        except IntegrityError:
            raise LostRace from None

    async def delete_leave(self, leave: Leave) -> None:
        """Delete a leave; raise LostRace if another transaction has deleted it."""
        if not (await self.connection.execute(delete(LEAVES).where(LEAVES.c.id == leave.id))).rowcount:
            raise LostRace

    async def save_closure(self, closure: Closure) -> None:
        """Insert a closure, or update the stored one."""
        row = {name: getattr(closure, name) for name in CLOSURE_COLUMNS}
        if not (await self.connection.execute(update(CLOSURES).where(CLOSURES.c.id == closure.id).values(row))).rowcount:
            await self.connection.execute(insert(CLOSURES), row)

    async def list_open_closures(self) -> list[Closure]:
        """Return the closures that are not over, and those whose blocks are not yet settled."""
        is_open = or_(CLOSURES.c.ends_at > self.now(), CLOSURES.c.settled.is_(False))
        rows = await self.connection.execute(select(CLOSURES).where(is_open).order_by(CLOSURES.c.id))
        return [_closure_from_row(row) for row in rows]


async def list_absences(
    connection: AsyncConnection, doctor_ids: Collection[UUID], within: Span
) -> Mapping[UUID, Sequence[tuple[int, int]]]:
    """Return the leaves and closures that touch a span, as (start, stop) by doctor; doctors without any are missing."""
    columns, absences = CLAIMS.c, defaultdict[UUID, list[tuple[int, int]]](list)
    query = select(columns.doctor_id, columns.span_from, columns.span_to).where(
        columns.doctor_id.in_(doctor_ids),
        columns.live,
        columns.kind.in_([ClaimKind.LEAVE, ClaimKind.CLOSURE]),
        columns.span_to > within.start,
        columns.span_from < within.stop,
    )
    for row in await connection.execute(query):
        absences[row.doctor_id].append((row.span_from, row.span_to))
    return absences


async def list_leaves(connection: AsyncConnection, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
    """Return the leaves of a doctor, the latest first."""
    leaves = select(LEAVES).where(LEAVES.c.doctor_id == doctor_id).order_by(LEAVES.c.starts_at.desc(), LEAVES.c.id.desc())
    if after is not None:
        leaves = leaves.where(_is_after_cursor(LEAVES, after))
    return [_leave_from_row(row) for row in await connection.execute(leaves.limit(limit))]


async def list_closures(connection: AsyncConnection, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
    """Return the closures that were not lifted, the latest first."""
    closures = select(CLOSURES).where(CLOSURES.c.lifted.is_(False)).order_by(CLOSURES.c.starts_at.desc(), CLOSURES.c.id.desc())
    if after is not None:
        closures = closures.where(_is_after_cursor(CLOSURES, after))
    return [_closure_from_row(row) for row in await connection.execute(closures.limit(limit))]


def _leave_from_row(row: Any) -> Leave:
    return Leave(**{name: getattr(row, name) for name in LEAVE_COLUMNS}, outcomes=OUTCOMES.validate_json(row.outcomes))


def _closure_from_row(row: Any) -> Closure:
    return Closure(**{name: getattr(row, name) for name in CLOSURE_COLUMNS})


def _is_after_cursor(table: Table, after: tuple[str, ...]) -> ColumnElement[bool]:
    """Return the condition for rows after a cursor, in the order latest first; raise BadCursor."""
    return rows_after((table.c.starts_at, table.c.id), parse_sort_key(after, parse_instant, UUID), descending=True)
