"""Withholding unsent messages and deliveries in a database that was restored from a backup."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notify_svc.domain.messages import MAX_LOGGED_ATTEMPTS, RESTORED, UNFINISHED, Attempt, MessageStatus
from notify_svc.domain.webhook_deliveries import DeliveryStatus, WebhookProblem
from notify_svc.repository.tables import MESSAGES, WEBHOOK_DELIVERIES
from shared.contracts.values import format_instant

BATCH = 500
UNSENT_DELIVERIES = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING)


async def withhold_messages(connection: AsyncConnection, now: datetime) -> int:
    """Make up to BATCH unsent messages `unknown`, also those that this release cannot read; return how many.

    They may have been sent after the backup was made, so that a member of staff decides about each.
    """
    unsent = select(MESSAGES.c.seq, MESSAGES.c.attempt_log).where(MESSAGES.c.status.in_(UNFINISHED)).order_by(MESSAGES.c.seq).limit(BATCH)
    attempt = Attempt(format_instant(now), MessageStatus.UNKNOWN, RESTORED)
    rows: list[dict[str, Any]] = [
        {"number": row.seq, "log": [*row.attempt_log, list(attempt)][-MAX_LOGGED_ATTEMPTS:]} for row in await connection.execute(unsent)
    ]
    if rows:
        withheld = update(MESSAGES).where(MESSAGES.c.seq == bindparam("number"))
        values: dict[str, Any] = {
            "status": MessageStatus.UNKNOWN,
            "problem": RESTORED,
            "attempt_log": bindparam("log"),
            "holder": None,
            "taken_at": None,
        }
        await connection.execute(withheld.values({MESSAGES.c[name]: value for name, value in values.items()}), rows)
    return len(rows)


async def withhold_deliveries(connection: AsyncConnection) -> int:
    """Give up unsent deliveries to webhooks, which an admin can replay; return how many."""
    unsent = WEBHOOK_DELIVERIES.c.status.in_(UNSENT_DELIVERIES)
    values = {"status": DeliveryStatus.FAILED, "problem": WebhookProblem.INTERRUPTED, "holder": None, "taken_at": None}
    return (await connection.execute(update(WEBHOOK_DELIVERIES).where(unsent).values(values))).rowcount
