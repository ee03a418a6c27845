"""No two claims share a grain and lane, lane 0 is taken wherever another lane is, and each claim has exactly its grains.

Claims and grains are in one database and are read in one snapshot, so nothing that the product does meanwhile can look like a fault.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from careslot.auditor.checks.claims import ClaimFacts, find_claims
from careslot.auditor.findings import Finding, Key
from careslot.auditor.sql_store import PAGE_LENGTH
from careslot.auditor.stores import Stores
from scheduling_svc.repository.grains import ORDINARY_LANE
from scheduling_svc.repository.tables import CLAIM_GRAINS, CLAIMS
from shared.contracts.grains import instant_of
from shared.contracts.identity import Service
from shared.contracts.values import format_instant
from shared.kit.keyset_pagination import rows_after

GRAINS_PAGE = 2000
CLAIMS_AT_ONCE = 50
GRAIN_KEY = (CLAIM_GRAINS.c.resource_id, CLAIM_GRAINS.c.grain)
LaneRow = tuple[int, UUID]
"""A lane of a grain, and the claim that has it."""


@dataclass(frozen=True, slots=True)
class LaneCheck:
    """Goes through the grain table in the order of its key."""

    name = "time is granted once"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield resource and number of every grain that is taken."""
        last: tuple[UUID, int] | None = None
        while True:
            query = select(*GRAIN_KEY).distinct().order_by(*GRAIN_KEY).limit(GRAINS_PAGE)
            query = query if last is None else query.where(rows_after(GRAIN_KEY, last))
            rows = await stores.sql[Service.SCHEDULING].fetch(query)
            if rows:
                yield [(str(row.resource_id), str(row.grain)) for row in rows]
            if len(rows) < GRAINS_PAGE:
                return
            last = (rows[-1].resource_id, rows[-1].grain)

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return what is wrong with these grains."""
        grains_of = defaultdict[UUID, list[int]](list)
        for resource, grain in keys:
            grains_of[UUID(resource)].append(int(grain))
        async with stores.sql[Service.SCHEDULING].snapshot() as connection:
            lanes = await _read_lanes(connection, grains_of)
            claims = dict[UUID, ClaimFacts]()
            ids = sorted({claim_id for rows in lanes.values() for _, claim_id in rows})
            for first in range(0, len(ids), PAGE_LENGTH):
                claims |= await find_claims(connection, ids[first : first + PAGE_LENGTH])
        return [finding for (resource_id, grain), rows in lanes.items() for finding in judge_grain(resource_id, grain, rows, claims)]


async def _read_lanes(connection: AsyncConnection, grains_of: Mapping[UUID, list[int]]) -> dict[tuple[UUID, int], list[LaneRow]]:
    lanes = defaultdict[tuple[UUID, int], list[LaneRow]](list)
    for resource_id, grains in grains_of.items():
        in_range = and_(CLAIM_GRAINS.c.grain >= min(grains), CLAIM_GRAINS.c.grain <= max(grains))
        wanted = set(grains)
        for row in await connection.execute(select(CLAIM_GRAINS).where(CLAIM_GRAINS.c.resource_id == resource_id, in_range)):
            if row.grain in wanted:
                lanes[resource_id, row.grain].append((row.lane, row.claim_id))
    return lanes


def judge_grain(resource_id: UUID, grain: int, rows: Sequence[LaneRow], claims: Mapping[UUID, ClaimFacts]) -> Iterator[Finding]:
    """Yield what is wrong with one grain of a resource.

    Several claims may share a grain in different lanes if all but one may overlap others. Two visits of one patient may overlap after a
    merge; two ordinary claims of one doctor may not.
    """
    ids = {"resource": str(resource_id), "at": format_instant(instant_of(grain))}
    key = (str(resource_id), str(grain))
    lanes = Counter(lane for lane, _ in rows)
    shared = sorted(lane for lane, count in lanes.items() if count > 1)
    if shared:
        yield Finding("lane_taken_twice", key, ids | {"claims": _texts(claim_id for _, claim_id in rows)}, tuple(sorted(rows)))
    if ORDINARY_LANE not in lanes:
        yield Finding("lane_0_is_free", key, ids | {"claims": _texts(claim_id for _, claim_id in rows)}, tuple(sorted(rows)))
    unexpected = [claim_id for _, claim_id in rows if claim_id not in claims or not claims[claim_id].covers(resource_id, grain)]
    if unexpected:
        yield Finding("grain_without_claim", key, ids | {"claims": _texts(unexpected)}, tuple(sorted(unexpected)))
    ordinary = [claims[claim_id] for _, claim_id in rows if claim_id in claims and not claims[claim_id].may_overlap]
    of_this_doctor = [claim.id for claim in ordinary if claim.doctor_id == resource_id and claim.id not in unexpected]
    if len(of_this_doctor) > 1:
        yield Finding("double_booking", key, ids | {"claims": _texts(of_this_doctor)}, tuple(sorted(of_this_doctor)))


@dataclass(frozen=True, slots=True)
class ClaimGrainCheck:
    """Goes through the claims, and counts the grains of each."""

    name = "claims have their time"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of the claims that take time."""
        takes_time = (CLAIMS.c.live.is_(True), CLAIMS.c.archived.is_(False))
        async for page in stores.sql[Service.SCHEDULING].values(CLAIMS.c.id, *takes_time, length=CLAIMS_AT_ONCE):
            yield [(str(claim_id),) for claim_id in page]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the claims that lack grains."""
        async with stores.sql[Service.SCHEDULING].snapshot() as connection:
            claims = await find_claims(connection, [UUID(key[0]) for key in keys])
            counts = await _count_grains(connection, list(claims.values()))
        findings = list[Finding]()
        for claim in claims.values():
            missing = sum(len(span) for _, span in claim.resource_spans) - counts.get(claim.id, 0)
            if missing > 0:
                ids = {"claim": str(claim.id), "kind": claim.kind, "missing_grains": str(missing)}
                findings.append(Finding("claim_lacks_time", (str(claim.id),), ids, (claim, missing)))
        return findings


async def _count_grains(connection: AsyncConnection, claims: Sequence[ClaimFacts]) -> dict[UUID, int]:
    """Return the number of grains that each claim has within the spans where it must have them."""
    conditions: list[Any] = [
        and_(
            CLAIM_GRAINS.c.resource_id == resource_id,
            CLAIM_GRAINS.c.grain >= span.start,
            CLAIM_GRAINS.c.grain < span.stop,
            CLAIM_GRAINS.c.claim_id == claim.id,
        )
        for claim in claims
        for resource_id, span in claim.resource_spans
    ]
    if not conditions:
        return {}
    query = select(CLAIM_GRAINS.c.claim_id, func.count().label("grains")).where(or_(*conditions)).group_by(CLAIM_GRAINS.c.claim_id)
    return {row.claim_id: row.grains for row in await connection.execute(query)}


def _texts(ids: Iterable[UUID]) -> str:
    return " ".join(sorted({str(claim_id) for claim_id in ids}))
