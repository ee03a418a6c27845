"""Claims and their grains in SQL: two mappers and the verbs of storage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, delete, insert, select, type_coerce, union_all, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import Claim, Engagement, Place
from scheduling_svc.ports import Overtaken
from scheduling_svc.repository.tables import CLAIM_GRAINS, CLAIMS
from shared.contracts.grains import Span
from shared.kit.paging import BadCursor

RESERVATION = "reservation"
LANE = 0
NOBODY = UUID(int=0)

# Built once: putting a statement together costs more than many a database takes to run it.
ONE = select(CLAIMS).where(CLAIMS.c.id == bindparam("claim"))
REWRITE = update(CLAIMS).where(
    CLAIMS.c.id == bindparam("claim"), CLAIMS.c.revision == bindparam("seen_revision"), CLAIMS.c.live == bindparam("seen_live")
)


def _engaged(person: ColumnElement[Any], begin: ColumnElement[Any], end: ColumnElement[Any]) -> Select[Any]:
    counts = and_(CLAIMS.c.live, CLAIMS.c.id != bindparam("but", type_=CLAIMS.c.id.type))
    within = and_(end > bindparam("begin"), begin < bindparam("end"))
    times = (CLAIMS.c.visit_from, CLAIMS.c.visit_to, begin, end)
    who = type_coerce(person, String)  # one UUID per person, not per row
    return select(who, *times).where(person.in_(bindparam("people", expanding=True)), counts, within)


ENGAGED = union_all(
    _engaged(CLAIMS.c.doctor_id, CLAIMS.c.span_from, CLAIMS.c.span_to),
    _engaged(CLAIMS.c.patient_id, CLAIMS.c.visit_from, CLAIMS.c.visit_to),
)


def to_row(claim: Claim) -> dict[str, Any]:
    place = claim.place
    return {
        "id": claim.appointment_id,
        "kind": RESERVATION,
        "revision": claim.revision,
        "live": claim.live,
        "service_id": place and place.service_id,
        "doctor_id": place and place.doctor_id,
        "patient_id": place and place.patient_id,
        "visit_from": place and place.visit.start,
        "visit_to": place and place.visit.stop,
        "span_from": place and place.span.start,
        "span_to": place and place.span.stop,
    }


def from_row(row: Any) -> Claim:
    place = None
    if row.doctor_id is not None:
        visit, span = range(row.visit_from, row.visit_to), range(row.span_from, row.span_to)
        place = Place(row.service_id, row.doctor_id, row.patient_id, visit, span)
    return Claim(row.id, row.revision, place, row.live)


async def one(connection: AsyncConnection, appointment_id: UUID) -> Claim | None:
    row = (await connection.execute(ONE, {"claim": appointment_id})).one_or_none()
    return from_row(row) if row else None


async def live(connection: AsyncConnection, limit: int, after: tuple[str, ...] | None) -> list[Claim]:
    query = select(CLAIMS).where(CLAIMS.c.live).order_by(CLAIMS.c.id).limit(limit)
    if after is not None:
        query = query.where(CLAIMS.c.id > _id(after[-1]))
    return [from_row(row) for row in await connection.execute(query)]


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadCursor(pointer="/after") from None


async def engagements(
    connection: AsyncConnection, people: Collection[UUID], within: Span, but: UUID | None
) -> Mapping[UUID, Sequence[Engagement]]:
    """One query for any number of people and days. A person may be someone's doctor and someone's patient."""
    given = {"people": list(people), "begin": within.start, "end": within.stop, "but": but or NOBODY}
    found: dict[str, list[Engagement]] = defaultdict(list)
    for person_id, *times in await connection.execute(ENGAGED, given):
        found[person_id].append(Engagement(*times))
    return {UUID(person_id): engaged for person_id, engaged in found.items()}


async def put(connection: AsyncConnection, claim: Claim, standing: Claim | None, at: datetime) -> None:
    """Frees what the standing claim took and takes what the new one needs: in one transaction, so that a claim may move over itself."""
    if claim == standing:
        return
    try:
        await _write(connection, to_row(claim) | {"changed_at": at}, standing)
        if _grains(claim) != _grains(standing):
            await _free(connection, standing)
            await _take(connection, claim)
    except IntegrityError:
        raise Overtaken from None


async def _write(connection: AsyncConnection, row: dict[str, Any], standing: Claim | None) -> None:
    """Compare and set: revision and liveness together never come back."""
    if standing is None:
        await connection.execute(insert(CLAIMS), row)
    else:
        seen = {"claim": standing.appointment_id, "seen_revision": standing.revision, "seen_live": standing.live}
        if not (await connection.execute(REWRITE, row | seen)).rowcount:
            raise Overtaken


def _grains(claim: Claim | None) -> list[tuple[UUID, int]]:
    return claim.place.grains() if claim is not None and claim.live and claim.place is not None else []


async def _take(connection: AsyncConnection, claim: Claim) -> None:
    """All grains in one statement, in the order of the key: racing writers meet at the first that they share."""
    rows = [{"resource_id": who, "grain": grain, "lane": LANE, "claim_id": claim.appointment_id} for who, grain in _grains(claim)]
    if rows:
        await connection.execute(insert(CLAIM_GRAINS), rows)


async def _free(connection: AsyncConnection, standing: Claim | None) -> None:
    """By ranges of the key, which need no second index."""
    if standing is None or not standing.live or standing.place is None:
        return
    taken = ((standing.place.doctor_id, standing.place.span), (standing.place.patient_id, standing.place.visit))
    grains = delete(CLAIM_GRAINS).where(CLAIM_GRAINS.c.claim_id == standing.appointment_id)
    for who, span in sorted(taken, key=lambda pair: pair[0]):
        of_one = grains.where(CLAIM_GRAINS.c.resource_id == who)
        await connection.execute(of_one.where(CLAIM_GRAINS.c.grain >= span.start, CLAIM_GRAINS.c.grain < span.stop))
