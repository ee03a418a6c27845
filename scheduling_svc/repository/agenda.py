"""Agendas and their subscription links, in SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, delete, insert, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.agenda import AgendaEntry, EntryKind
from scheduling_svc.domain.feeds import CalendarFeed
from scheduling_svc.repository.rules import RuleReader
from scheduling_svc.repository.tables import CLAIMS, FEEDS, ClaimKind
from shared.contracts.grains import Span, grain_of, instant_of
from shared.kit.keyset_pagination import rows_after
from shared.kit.paging import parse_instant, parse_sort_key
from shared.kit.retry import TransactionAborted
from shared.kit.sql import insert_if_absent

ENTRY_KINDS = {
    ClaimKind.RESERVATION: EntryKind.APPOINTMENT,
    ClaimKind.LEAVE: EntryKind.LEAVE,
    ClaimKind.CLOSURE: EntryKind.CLOSURE,
}
COLUMNS = (
    CLAIMS.c.id,
    CLAIMS.c.kind,
    CLAIMS.c.doctor_id,
    CLAIMS.c.visit_from,
    CLAIMS.c.visit_to,
    CLAIMS.c.session_id,
    CLAIMS.c.requested,
    CLAIMS.c.changed_at,
)
UNKNOWN_ZONE = "UTC"


class AgendaReader(RuleReader):
    """Reads the busy time of an account, as doctor and as patient."""

    async def list_entries(self, account_id: UUID, within: Span, limit: int, after: tuple[str, ...] | None) -> list[AgendaEntry]:
        """Return the entries of an account that touch a span, each claim once, by start and id, in two queries."""
        busy = _busy_claims(account_id, within)
        page = select(busy).order_by(busy.c.visit_from, busy.c.id).limit(limit)
        if after is not None:
            page = page.where(_is_after_cursor(busy, after))
        rows = (await self.connection.execute(page)).all()
        doctors = await self.list_doctors({row.doctor_id for row in rows})
        zones = {doctor.id: doctor.hours.time_zone for doctor in doctors}
        return [_entry_from_row(row, zones.get(row.doctor_id, UNKNOWN_ZONE), account_id) for row in rows]


class FeedWriter:
    """Writes subscription links."""

    connection: AsyncConnection

    async def save_feed(self, feed: CalendarFeed) -> None:
        """Store a link in place of the account's last one; raise TransactionAborted if another transaction stores the first one."""
        row = asdict(feed)
        replaced = await self.connection.execute(update(FEEDS).where(FEEDS.c.account_id == feed.account_id).values(row))
        if not replaced.rowcount and not await insert_if_absent(self.connection, insert(FEEDS).values(row)):
            raise TransactionAborted

    async def update_feed_content(self, feed: CalendarFeed) -> None:
        """Store content tag and time of change of a link that still exists."""
        values = {"content_tag": feed.content_tag, "changed_at": feed.changed_at}
        await self.connection.execute(update(FEEDS).where(FEEDS.c.token_hash == feed.token_hash).values(values))

    async def delete_feed(self, account_id: UUID) -> bool:
        """Delete the link of an account; return whether there was one."""
        return bool((await self.connection.execute(delete(FEEDS).where(FEEDS.c.account_id == account_id))).rowcount)


async def find_feed(connection: AsyncConnection, token_hash: str) -> CalendarFeed | None:
    """Return the link with this hash."""
    row = (await connection.execute(select(FEEDS).where(FEEDS.c.token_hash == token_hash))).one_or_none()
    return CalendarFeed(**row._mapping) if row else None


def _busy_claims(account_id: UUID, within: Span) -> Subquery:
    # A seat has no span of its own. Every other claim is found by its span, because the index contains it.
    ends_late_enough = or_(CLAIMS.c.span_to > within.start, CLAIMS.c.span_to.is_(None))
    as_doctor = _live_claims(within).where(CLAIMS.c.doctor_id == account_id, CLAIMS.c.kind.in_(list(ENTRY_KINDS)), ends_late_enough)
    as_patient = _live_claims(within).where(CLAIMS.c.patient_id == account_id, CLAIMS.c.kind == ClaimKind.RESERVATION)
    return union(as_doctor, as_patient).subquery()


def _live_claims(within: Span) -> Select[Any]:
    return select(*COLUMNS).where(CLAIMS.c.live, CLAIMS.c.visit_to > within.start, CLAIMS.c.visit_from < within.stop)


def _entry_from_row(row: Any, time_zone: str, account_id: UUID) -> AgendaEntry:
    kind = ENTRY_KINDS[ClaimKind(row.kind)]
    times = instant_of(row.visit_from), instant_of(row.visit_to)
    session_id = row.session_id if row.doctor_id == account_id else None
    return AgendaEntry(row.id, kind, *times, time_zone, row.changed_at, is_requested=row.requested, session_id=session_id)


def _is_after_cursor(busy: Subquery, after: tuple[str, ...]) -> ColumnElement[bool]:
    """Return the condition for entries after a cursor; raise BadCursor."""
    key = parse_sort_key(after, lambda text: grain_of(parse_instant(text)), UUID)
    return rows_after((busy.c.visit_from, busy.c.id), key)
