"""The grain table: taking and freeing time. Its key keeps the promise; lane 0 is everybody's.

Where any lane of a grain is taken, lane 0 is taken: whoever lies over others takes the lowest free lane, and whoever leaves lane 0 lets
the next lane down, both on locked rows. So nobody can slip under one who lies over others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import Take
from scheduling_svc.ports import Overtaken
from scheduling_svc.repository.tables import CLAIM_GRAINS
from shared.contracts.grains import Span
from shared.kit.raw_insert import execute_statements

LANE = 0
AT_ONCE = 2000
TABLE = CLAIM_GRAINS.c
WITHIN = and_(TABLE.resource_id == bindparam("who"), TABLE.grain >= bindparam("first"), TABLE.grain < bindparam("last"))

# Built once: putting a statement together costs more than many a database takes to run it.
FREE = delete(CLAIM_GRAINS).where(WITHIN, TABLE.claim_id == bindparam("claim"))
LANES = select(TABLE.grain, TABLE.lane).where(WITHIN).order_by(TABLE.grain, TABLE.lane)
LOCKED = LANES.with_for_update()
ABOVE = LANES.where(TABLE.lane > LANE).with_for_update()
INSERT = "INSERT INTO claim_grains (resource_id, grain, lane, claim_id) VALUES "

Lanes = dict[int, list[int]]


async def take(
    connection: AsyncConnection, claim_id: UUID, takes: Sequence[Take], *, over: bool = False, first: Sequence[str] = ()
) -> None:
    """All grains in the order of the key, so that racing writers meet at the first that they share; IntegrityError when one is taken.

    `first` are statements that go with it to the driver, before it.
    """
    ordered = sorted(takes, key=lambda take: take.resource_id)
    lanes = [await _lanes(connection, *take) if over else {} for take in ordered]
    rows = (row for take, taken in zip(ordered, lanes, strict=True) for row in _rows(claim_id, take, taken))
    await execute_statements(connection, chain(first, _inserts(rows)))


async def free(connection: AsyncConnection, claim_id: UUID, takes: Sequence[Take]) -> None:
    """By ranges of the key, which need no second index."""
    for who, span in sorted(takes, key=lambda take: take.resource_id):
        await _delete(connection, claim_id, who, span)
        await _let_down(connection, who, span)


def _rows(claim_id: UUID, take: Take, lanes: Lanes) -> Iterator[str]:
    before, after = f"('{take.resource_id.hex}',", f",'{claim_id.hex}')"
    return (f"{before}{grain},{_lowest_free(lanes[grain]) if grain in lanes else LANE}{after}" for grain in take.span)


def _inserts(rows: Iterator[str]) -> Iterator[str]:
    while batch := ",".join(islice(rows, AT_ONCE)):
        yield INSERT + batch


async def _delete(connection: AsyncConnection, claim_id: UUID, who: UUID, span: Span) -> None:
    """A row that was let down while this waited for it has another key now, and is met by the second look."""
    named = {"claim": claim_id, **_within(who, span)}
    missing = len(span) - (await connection.execute(FREE, named)).rowcount
    if missing and (await connection.execute(FREE, named)).rowcount < missing:
        raise Overtaken


async def _let_down(connection: AsyncConnection, who: UUID, span: Span) -> None:
    """The lowest lane above goes where lane 0 was left."""
    above = _by_grain(await connection.execute(ABOVE, _within(who, span)))
    if not above:
        return
    lanes = await _lanes(connection, who, range(min(above), max(above) + 1))
    falling: dict[int, list[int]] = defaultdict(list)
    for grain, taken in lanes.items():
        if taken[0] != LANE:
            falling[taken[0]].append(grain)
    for lane, grains in falling.items():
        for some in _some(grains):
            falls = update(CLAIM_GRAINS).where(TABLE.resource_id == who, TABLE.lane == lane, TABLE.grain.in_(some))
            await connection.execute(falls.values(lane=LANE))


async def _lanes(connection: AsyncConnection, who: UUID, span: Span) -> Lanes:
    """The lanes that are taken, grain by grain; they stay so until the end of the transaction."""
    return _by_grain(await connection.execute(LOCKED, _within(who, span)))


def _by_grain(rows: Iterable[Any]) -> Lanes:
    found: Lanes = defaultdict(list)
    for grain, lane in rows:
        found[grain].append(lane)
    return dict(found)


def _lowest_free(lanes: Sequence[int]) -> int:
    return next(lane for lane in range(len(lanes) + 1) if lane not in lanes)


def _some(grains: Sequence[int]) -> Iterator[Sequence[int]]:
    return (grains[at : at + AT_ONCE] for at in range(0, len(grains), AT_ONCE))


def _within(who: UUID, span: Span) -> dict[str, object]:
    return {"who": who, "first": span.start, "last": span.stop}
