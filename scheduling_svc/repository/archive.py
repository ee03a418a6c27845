"""Archiving claims whose time is over: their grains are deleted, and their rows stay."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.archive import ArchiveCursor
from scheduling_svc.domain.claims import ResourceSpan
from scheduling_svc.repository import claims, grains, holds
from scheduling_svc.repository.holds import HoldWriter
from scheduling_svc.repository.tables import CLAIMS, ClaimKind
from shared.contracts.grains import Span
from shared.kit.keyset_pagination import rows_after


class ArchiveWriter(HoldWriter):
    """Archives one claim of any kind."""

    async def archive(self, claim_id: UUID, ended_before: int) -> bool:
        """Delete the grains of a claim that ended before a grain, and mark it; a hold is dropped. Return False if it is not due any more.

        The row is locked first, so that nothing moves or releases the claim at the same time.
        """
        query = select(CLAIMS).where(CLAIMS.c.id == claim_id, *_is_due(ended_before)).with_for_update()
        row = (await self.connection.execute(query)).one_or_none()
        if row is None:
            return False
        if row.kind == ClaimKind.HOLD:
            await self.drop_hold(holds.from_row(row))
            return True
        await grains.free_grains(self.connection, claim_id, _resource_spans(row))
        await self.connection.execute(update(CLAIMS).where(CLAIMS.c.id == claim_id).values(archived=True))
        return True


async def list_due(connection: AsyncConnection, ended_before: int, limit: int, after: ArchiveCursor | None) -> list[ArchiveCursor]:
    """Return claims that are live, not archived, and ended before a grain, in the order of their ends and ids."""
    rows = await connection.execute(due_claims(ended_before, limit, after))
    return [ArchiveCursor(row.visit_to, row.id) for row in rows]


def due_claims(ended_before: int, limit: int, after: ArchiveCursor | None) -> Select[Any]:
    """Return the query of `list_due`."""
    query = select(CLAIMS.c.visit_to, CLAIMS.c.id).where(*_is_due(ended_before)).order_by(CLAIMS.c.visit_to, CLAIMS.c.id).limit(limit)
    return query if after is None else query.where(rows_after((CLAIMS.c.visit_to, CLAIMS.c.id), after))


def _is_due(ended_before: int) -> tuple[Any, ...]:
    """Return the conditions; the buffer after a visit may end later than the visit, and a seat has no span."""
    is_over = or_(CLAIMS.c.span_to.is_(None), CLAIMS.c.span_to < ended_before)
    return ~CLAIMS.c.archived, CLAIMS.c.live, CLAIMS.c.visit_to < ended_before, is_over


def _resource_spans(row: Any) -> list[ResourceSpan]:
    """Return the time that a claim takes: that of the doctor for a session or a block."""
    if row.kind == ClaimKind.RESERVATION:
        return claims.from_row(row).resource_spans
    span: Span = range(row.span_from, row.span_to)
    return [ResourceSpan(row.doctor_id, span)]
