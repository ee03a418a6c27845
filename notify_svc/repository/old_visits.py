"""Deleting visits that ended long ago, and old digests, in SQL."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from notify_svc.repository.tables import DIGESTS, EVENT_SEQUENCES, VISIT_RECIPIENTS, VISITS


def ended_visits(before: datetime, limit: int) -> Select[Any]:
    """Return the query for the ids of visits that ended before an instant. Those of which only the version is known have no times."""
    is_over = VISITS.c.ends_at < before, VISITS.c.status != "unknown"
    return select(VISITS.c.appointment_id).where(*is_over).order_by(VISITS.c.ends_at, VISITS.c.appointment_id).limit(limit)


async def delete_ended_visits(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete up to `limit` visits that ended before an instant, with their recipients and the count of their events; return how many.

    The rows are locked first, so that a visit that an event moves at the same time is not deleted.
    """
    ids = list(await connection.scalars(ended_visits(before, limit).with_for_update()))
    if ids:
        for table in (VISIT_RECIPIENTS, EVENT_SEQUENCES, VISITS):
            await connection.execute(delete(table).where(table.c.appointment_id.in_(ids)))
    return len(ids)


async def delete_old_digests(connection: AsyncConnection, before: date, limit: int) -> int:
    """Delete up to `limit` rows that say for which day before a date a digest was decided; return how many."""
    query = select(DIGESTS.c.doctor_id, DIGESTS.c.date).where(DIGESTS.c.date < before).order_by(DIGESTS.c.date).limit(limit)
    keys = [tuple(row) for row in await connection.execute(query)]
    if keys:
        await connection.execute(delete(DIGESTS).where(tuple_(DIGESTS.c.doctor_id, DIGESTS.c.date).in_(keys)))
    return len(keys)
