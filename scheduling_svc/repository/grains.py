"""The grain table: taking and freeing time. Its primary key ensures that no two ordinary claims share a grain.

Ordinary claims use lane 0. A claim that may overlap others takes the lowest free lane of each grain, and the transaction that leaves lane
0 of a grain moves the next lane down to it, both on locked rows. So where any lane of a grain is taken, lane 0 is taken, and an ordinary
claim can never take a grain that an overlapping claim has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import ResourceSpan
from scheduling_svc.ports import LostRace
from scheduling_svc.repository.tables import CLAIM_GRAINS
from shared.contracts.grains import Span
from shared.kit.raw_insert import execute_statements

ORDINARY_LANE = 0
BATCH_SIZE = 2000
COLUMNS = CLAIM_GRAINS.c
IN_SPAN = and_(COLUMNS.resource_id == bindparam("resource"), COLUMNS.grain >= bindparam("first"), COLUMNS.grain < bindparam("stop"))

# Statements are built once, because building a statement often takes longer than running it.
DELETE_GRAINS = delete(CLAIM_GRAINS).where(IN_SPAN, COLUMNS.claim_id == bindparam("claim"))
HAND_OVER_GRAINS = update(CLAIM_GRAINS).where(IN_SPAN, COLUMNS.claim_id == bindparam("claim")).values(claim_id=bindparam("new_claim"))
SELECT_LANES = select(COLUMNS.grain, COLUMNS.lane).where(IN_SPAN).order_by(COLUMNS.grain, COLUMNS.lane)
LOCK_LANES = SELECT_LANES.with_for_update()
LOCK_UPPER_LANES = SELECT_LANES.where(COLUMNS.lane > ORDINARY_LANE).with_for_update()
SELECT_UPPER_LANE = select(COLUMNS.lane).where(IN_SPAN, COLUMNS.lane > ORDINARY_LANE).limit(1)
INSERT = "INSERT INTO claim_grains (resource_id, grain, lane, claim_id) VALUES "

Lanes = dict[int, list[int]]
"""The lanes that are taken, by grain."""


async def take_grains(
    connection: AsyncConnection,
    claim_id: UUID,
    resource_spans: Sequence[ResourceSpan],
    *,
    overlapping: Collection[UUID] = (),
    first_statements: Sequence[str] = (),
) -> None:
    """Insert all grains in the order of the key, so that racing transactions conflict at the first grain that they share.

    Raise IntegrityError if a grain is taken, except for the resources `overlapping`, of which upper lanes are taken then.
    `first_statements` are sent to the driver in the same round
    trip, before the grains.
    """
    ordered = sorted(resource_spans, key=lambda resource_span: resource_span.resource_id)
    lanes = [await _lock_lanes(connection, *item) if item.resource_id in overlapping else {} for item in ordered]
    rows = (row for resource_span, taken in zip(ordered, lanes, strict=True) for row in _rows(claim_id, resource_span, taken))
    await execute_statements(connection, chain(first_statements, _insert_statements(rows)))


async def hand_over_grains(connection: AsyncConnection, from_claim_id: UUID, claim_id: UUID, resource_span: ResourceSpan) -> None:
    """Make the grains of one claim, which has exactly this span, those of another. Raise LostRace if some are missing.

    The grains are never free in between, so that no upper lane moves down.
    """
    parameters = {"claim": from_claim_id, "new_claim": claim_id, **_span_parameters(*resource_span)}
    if (await connection.execute(HAND_OVER_GRAINS, parameters)).rowcount < len(resource_span.span):
        raise LostRace


async def free_grains(connection: AsyncConnection, claim_id: UUID, resource_spans: Sequence[ResourceSpan]) -> None:
    """Delete the grains of a claim by ranges of the key, which need no second index, and move upper lanes down."""
    for resource_id, span in sorted(resource_spans, key=lambda resource_span: resource_span.resource_id):
        await _delete_grains(connection, claim_id, resource_id, span)
        await _move_lanes_down(connection, resource_id, span)


async def has_upper_lane(connection: AsyncConnection, resource_id: UUID, span: Span) -> bool:
    """Return True if several claims share a grain of a span."""
    return (await connection.execute(SELECT_UPPER_LANE, _span_parameters(resource_id, span))).first() is not None


def _rows(claim_id: UUID, resource_span: ResourceSpan, lanes: Lanes) -> Iterator[str]:
    prefix, suffix = f"('{resource_span.resource_id.hex}',", f",'{claim_id.hex}')"
    for grain in resource_span.span:
        lane = _lowest_free_lane(lanes[grain]) if grain in lanes else ORDINARY_LANE
        yield f"{prefix}{grain},{lane}{suffix}"


def _insert_statements(rows: Iterator[str]) -> Iterator[str]:
    while batch := ",".join(islice(rows, BATCH_SIZE)):
        yield INSERT + batch


async def _delete_grains(connection: AsyncConnection, claim_id: UUID, resource_id: UUID, span: Span) -> None:
    """Delete the grains of a claim; raise LostRace if some are missing.

    A row that was moved down while this transaction waited for it has another key by then; the second DELETE finds it.
    """
    parameters = {"claim": claim_id, **_span_parameters(resource_id, span)}
    missing = len(span) - (await connection.execute(DELETE_GRAINS, parameters)).rowcount
    if missing and (await connection.execute(DELETE_GRAINS, parameters)).rowcount < missing:
        raise LostRace


async def _move_lanes_down(connection: AsyncConnection, resource_id: UUID, span: Span) -> None:
    """Move the lowest upper lane of each grain to lane 0 where that is free now."""
    upper_lanes = _lanes_by_grain(await connection.execute(LOCK_UPPER_LANES, _span_parameters(resource_id, span)))
    if not upper_lanes:
        return
    lanes = await _lock_lanes(connection, resource_id, range(min(upper_lanes), max(upper_lanes) + 1))
    grains_by_lane: dict[int, list[int]] = defaultdict(list)
    for grain, taken in lanes.items():
        if taken[0] != ORDINARY_LANE:
            grains_by_lane[taken[0]].append(grain)
    for lane, grains in grains_by_lane.items():
        for index in range(0, len(grains), BATCH_SIZE):
            batch = grains[index : index + BATCH_SIZE]
            moved = update(CLAIM_GRAINS).where(COLUMNS.resource_id == resource_id, COLUMNS.lane == lane, COLUMNS.grain.in_(batch))
            await connection.execute(moved.values(lane=ORDINARY_LANE))


async def _lock_lanes(connection: AsyncConnection, resource_id: UUID, span: Span) -> Lanes:
    """Return the lanes that are taken, and lock them until the end of the transaction."""
    return _lanes_by_grain(await connection.execute(LOCK_LANES, _span_parameters(resource_id, span)))


def _lanes_by_grain(rows: Iterable[Any]) -> Lanes:
    lanes: Lanes = defaultdict(list)
    for grain, lane in rows:
        lanes[grain].append(lane)
    return dict(lanes)


def _lowest_free_lane(lanes: Sequence[int]) -> int:
    return next(lane for lane in range(len(lanes) + 1) if lane not in lanes)


def _span_parameters(resource_id: UUID, span: Span) -> dict[str, object]:
    return {"resource": resource_id, "first": span.start, "stop": span.stop}
