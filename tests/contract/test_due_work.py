"""What is due for the jobs of notification-service, on every SQL server."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from notify_svc.domain.reminders import Reminder
from notify_svc.domain.webhook_deliveries import ABANDONED_AFTER_SENDING_FOR
from notify_svc.domain.webhooks import WebhookStatus
from notify_svc.ports import VisitPlan
from notify_svc.ports.due_work import DueWork
from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.due_work import SqlDueWorkStore
from notify_svc.usecases.enqueue import MessageQueue
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON
from tests.unit.notify.builders import an_event
from tests.unit.notify.test_webhook_deliveries import a_webhook

SECOND = timedelta(seconds=1)


async def due_at(database: Database, offset: timedelta = timedelta()) -> set[str]:
    """Return the names of what is due at NOON plus `offset`."""
    now = NOON + offset
    due: DueWork = await SqlDueWorkStore(database).find_due_work(now, now - ABANDONED_AFTER_SENDING_FOR)
    return {name for name, is_due in asdict(due).items() if is_due}


async def test_what_an_event_has_made_due_is_found_from_its_instant_on_and_paused_webhooks_are_not(sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        store = SqlNotificationStore(database, lambda: NOON)
        assert await due_at(database) == set()
        webhook = a_webhook()
        async with store.begin() as tx:
            await tx.insert_webhook(webhook)
        await MessageQueue(store, lambda: NOON, lambda: None, lambda: None).enqueue_appointment(an_event(version=1, event_number=1))
        assert await due_at(database, -SECOND) == set()
        assert await due_at(database) == {"messages", "deliveries", "visits"}
        async with store.begin() as tx:
            await tx.save_webhook(a_webhook(status=WebhookStatus.PAUSED))
            (visit,) = await tx.claim_visits_to_plan(NOON, NOON + SECOND, 1)
        async with store.begin() as tx:
            await tx.store_plans([VisitPlan(visit, [visit.patient_id], [Reminder.of(visit, visit.patient_id, 60, NOON + SECOND, NOON)])])
        assert await due_at(database) == {"messages"}
        assert await due_at(database, SECOND) == {"messages", "reminders"}
