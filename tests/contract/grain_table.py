"""Helpers of the tests of the grain table: a store on an empty database, and the rows of its table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import select

from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.repository.tables import CLAIM_GRAINS
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.unit.scheduling.builders import CHECKUP, NOON

ClaimByGrain = dict[tuple[UUID, int], UUID]
Lanes = dict[tuple[UUID, int], dict[int, UUID]]


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[SqlCalendarStore]:
    migrate("scheduling_svc", url)
    async with Database(url) as database:
        yield SqlCalendarStore(database, lambda: NOON)


async def list_claimed_grains(store: SqlCalendarStore) -> ClaimByGrain:
    """Return the claim of every grain, where no claim overlaps another."""
    lanes = await list_lanes(store)
    assert all(taken.keys() == {0} for taken in lanes.values())
    return {grain: taken[0] for grain, taken in lanes.items()}


async def list_lanes(store: SqlCalendarStore) -> Lanes:
    """Return the claims of every grain by lane."""
    lanes: Lanes = {}
    async with store.database.read() as connection:
        for row in (await connection.execute(select(CLAIM_GRAINS))).all():
            lanes.setdefault((row.resource_id, row.grain), {})[row.lane] = row.claim_id
    return lanes


def a_claim(number: int, doctor: int, patient: int, start: int, *, length: int = 6, buffer: int = 0, revision: int = 1) -> Claim:
    visit = range(start, start + length)
    slot = BookedSlot(CHECKUP, UUID(int=doctor), UUID(int=patient), visit, range(start - buffer, start + length + buffer))
    return Claim(UUID(int=number), revision, slot)
