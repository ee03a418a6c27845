"""Deleting claims, leaves and closures that ended long ago, in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.repository.tables import CLAIMS, CLOSURES, LEAVES, SEATS
from shared.contracts.grains import grain_of

STATES_WITHOUT_GRAINS = ((True, True), (True, False), (False, False))
"""Values of `archived` and `live`. A claim that is live and not archived still has grains, which the archive deletes first."""


async def delete_ended_claims(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete up to `limit` claims of any kind that ended before an instant, with their seats; return how many.

    The rows are locked first, so that a visit that a late request moves at the same time is not deleted. A claim that was released before
    it had a time counts from its last change on.
    """
    ids: list[UUID] = []
    for query in ended_claims(before):
        if len(ids) < limit:
            ids += await connection.scalars(query.limit(limit - len(ids)).with_for_update())
    if ids:
        await connection.execute(delete(SEATS).where(SEATS.c.claim_id.in_(ids)))
        await connection.execute(delete(SEATS).where(SEATS.c.session_id.in_(ids)))
        await connection.execute(delete(CLAIMS).where(CLAIMS.c.id.in_(ids)))
    return len(ids)


def ended_claims(before: datetime) -> Iterator[Select[Any]]:
    """Yield the queries for the ids of claims without grains that ended before an instant, those that ended first before others."""
    grain = grain_of(before)
    is_over = CLAIMS.c.visit_to < grain, or_(CLAIMS.c.span_to.is_(None), CLAIMS.c.span_to < grain)
    for archived, live in STATES_WITHOUT_GRAINS:
        state = CLAIMS.c.archived == archived, CLAIMS.c.live == live
        yield select(CLAIMS.c.id).where(*state, *is_over).order_by(CLAIMS.c.visit_to, CLAIMS.c.id)
    without_time = ~CLAIMS.c.archived, ~CLAIMS.c.live, CLAIMS.c.visit_to.is_(None)
    yield select(CLAIMS.c.id).where(*without_time, CLAIMS.c.changed_at < before).order_by(CLAIMS.c.id)


async def delete_ended_blocks(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete up to `limit` leaves, and as many settled closures, that ended before an instant; return how many."""
    count = 0
    for table, conditions in ((LEAVES, ()), (CLOSURES, (CLOSURES.c.settled,))):
        query = select(table.c.id).where(table.c.ends_at < before, *conditions).order_by(table.c.ends_at, table.c.id).limit(limit)
        if ids := list(await connection.scalars(query.with_for_update())):
            await connection.execute(delete(table).where(table.c.id.in_(ids)))
            count += len(ids)
    return count
