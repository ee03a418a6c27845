"""One's own calendar and the links to it, in SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, delete, insert, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.agenda import Entry, EntryKind
from scheduling_svc.domain.feeds import Feed
from scheduling_svc.domain.leaves import Kind
from scheduling_svc.repository import rules
from scheduling_svc.repository.claims import RESERVATION, as_id
from scheduling_svc.repository.tables import CLAIMS, FEEDS
from shared.contracts.grains import Span, grain_of, instant_of
from shared.kit.paging import BadCursor
from shared.kit.retry import TransactionAborted
from shared.kit.sql import insert_if_absent

KINDS = {RESERVATION: EntryKind.APPOINTMENT, Kind.LEAVE: EntryKind.LEAVE, Kind.CLOSURE: EntryKind.CLOSURE}
COLUMNS = (CLAIMS.c.id, CLAIMS.c.kind, CLAIMS.c.doctor_id, CLAIMS.c.visit_from, CLAIMS.c.visit_to, CLAIMS.c.changed_at)
UNKNOWN_ZONE = "UTC"


async def entries(connection: AsyncConnection, account_id: UUID, within: Span, limit: int, after: tuple[str, ...] | None) -> list[Entry]:
    """What touches a span of the account's time as doctor or as patient, each once; two queries."""
    busy = _busy(account_id, within)
    those = select(busy).order_by(busy.c.visit_from, busy.c.id).limit(limit)
    rows = (await connection.execute(those if after is None else those.where(_beyond(busy, after)))).all()
    doctors = await rules.doctors(connection, {row.doctor_id for row in rows})
    zones = {doctor.id: doctor.hours.time_zone for doctor in doctors}
    return [_entry(row, zones.get(row.doctor_id, UNKNOWN_ZONE)) for row in rows]


async def link(connection: AsyncConnection, feed: Feed) -> None:
    """In place of the account's last one."""
    row = {"account_id": feed.account_id, "token_hash": feed.token_hash, "created_at": feed.created_at}
    replaced = await connection.execute(update(FEEDS).where(FEEDS.c.account_id == feed.account_id).values(row))
    if not replaced.rowcount and not await insert_if_absent(connection, insert(FEEDS).values(row)):
        raise TransactionAborted


async def unlink(connection: AsyncConnection, account_id: UUID) -> None:
    await connection.execute(delete(FEEDS).where(FEEDS.c.account_id == account_id))


async def reader(connection: AsyncConnection, token_hash: str) -> UUID | None:
    account_id: UUID | None = await connection.scalar(select(FEEDS.c.account_id).where(FEEDS.c.token_hash == token_hash))
    return account_id


def _busy(account_id: UUID, within: Span) -> Subquery:
    # A seat has no span of its own; what has one is found by it, as the index has it.
    late_enough = or_(CLAIMS.c.span_to > within.start, CLAIMS.c.span_to.is_(None))
    as_doctor = _live(within).where(CLAIMS.c.doctor_id == account_id, CLAIMS.c.kind.in_(list(KINDS)), late_enough)
    as_patient = _live(within).where(CLAIMS.c.patient_id == account_id, CLAIMS.c.kind == RESERVATION)
    return union(as_doctor, as_patient).subquery()


def _live(within: Span) -> Select[Any]:
    return select(*COLUMNS).where(CLAIMS.c.live, CLAIMS.c.visit_to > within.start, CLAIMS.c.visit_from < within.stop)


def _entry(row: Any, time_zone: str) -> Entry:
    return Entry(row.id, KINDS[row.kind], instant_of(row.visit_from), instant_of(row.visit_to), time_zone, row.changed_at)


def _beyond(busy: Subquery, after: tuple[str, ...]) -> ColumnElement[bool]:
    """What comes after a place in the list."""
    try:
        at, one = after
        start, last = grain_of(datetime.fromisoformat(at).astimezone(UTC)), as_id(one)
    except (ValueError, OverflowError):
        raise BadCursor(pointer="/after") from None
    return or_(busy.c.visit_from > start, and_(busy.c.visit_from == start, busy.c.id > last))
