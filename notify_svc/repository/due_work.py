"""Which jobs have something to do, in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, bindparam, exists, select

from notify_svc.domain.messages import MessageStatus
from notify_svc.domain.reminders import ReminderStatus
from notify_svc.ports.due_work import DueWork
from notify_svc.repository.tables import MESSAGES, REMINDERS, VISITS
from notify_svc.repository.webhooks import DUE_WEBHOOKS
from shared.kit.sql import Database

NOW: BindParameter[datetime] = bindparam("now")
FIND_DUE_WORK = select(
    exists().where(MESSAGES.c.status == MessageStatus.QUEUED, MESSAGES.c.due_at <= NOW).label("messages"),
    exists(DUE_WEBHOOKS).label("deliveries"),
    exists().where(VISITS.c.planning_due_at <= NOW).label("visits"),
    exists().where(REMINDERS.c.status == ReminderStatus.PLANNED, REMINDERS.c.due_at <= NOW).label("reminders"),
)


@dataclass(frozen=True, slots=True)
class SqlDueWorkStore:
    """Implements DueWorkStore."""

    database: Database

    async def find_due_work(self, now: datetime, abandoned_before: datetime) -> DueWork:
        values = {"now": now, "abandoned_before": abandoned_before}
        async with self.database.read() as connection:
            row = (await connection.execute(FIND_DUE_WORK, values)).one()
        return DueWork(*map(bool, row))
