"""Pending work, which a request stores before it calls another service, and which a job completes when the request was interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

COMPLETE_PENDING_AFTER = timedelta(minutes=1)  # longer than a request runs, so that the job leaves running requests alone
LONGEST_PAUSE = timedelta(minutes=10)


def first_retry_at(requested_at: datetime) -> datetime:
    """Return when a job first tries to complete work that a request has stored."""
    return requested_at + COMPLETE_PENDING_AFTER


def next_retry_at(requested_at: datetime, now: datetime) -> datetime:
    """Return when a job tries the work again if it fails now: after a pause as long as it has waited so far, at most LONGEST_PAUSE."""
    return now + min(max(now - requested_at, COMPLETE_PENDING_AFTER), LONGEST_PAUSE)


async def take_due_rows(
    connection: AsyncConnection,
    table: Table,
    *,
    now: datetime,
    limit: int,
    requested_at_column: str,
    is_pending: ColumnElement[bool] | None = None,
) -> Sequence[Any]:
    """Return rows whose `retry_at` has come, the longest due first, and store when each is tried again if it fails now.

    So rows that keep failing do not delay others, and a row whose work crashes the process is not tried again at once.
    `requested_at_column` names the column with the instant of the request. The table has the columns `id` and `retry_at`.
    """
    due = select(table).where(table.c.retry_at <= now)
    due = due if is_pending is None else due.where(is_pending)
    rows = (await connection.execute(due.order_by(table.c.retry_at, table.c.id).limit(limit).with_for_update())).all()
    for row in rows:
        retry_at = next_retry_at(getattr(row, requested_at_column), now)
        await connection.execute(update(table).where(table.c.id == row.id).values(retry_at=retry_at))
    return rows
