"""The comparison of notification-service with the list of changes, on every SQL server, and with two instances."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.comparison import SqlComparisonStore
from notify_svc.repository.tables import MESSAGES
from notify_svc.usecases.compare import TIME_TO_ARRIVE, AppointmentComparison
from notify_svc.usecases.enqueue import MessageQueue
from shared.contracts.appointment_changes import AppointmentChange
from shared.contracts.pages import Page
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON
from tests.unit.notify.builders import an_event

INSTANT = datetime(2026, 3, 2, 11, 58, 59, 123456, tzinfo=UTC)


class LostBookings:
    """The list of changes of appointment-service with bookings of which no event has arrived."""

    def __init__(self, count: int) -> None:
        events = [an_event(id=new_id(), appointment_id=new_id()) for _ in range(count)]
        self.items = [
            AppointmentChange(appointment_id=event.appointment_id, changed_at=NOON, events=[event.to_cloudevent("appointment-service")])
            for event in events
        ]

    async def list_changes(self, since: datetime, after: str | None) -> Page[AppointmentChange]:
        await asyncio.sleep(0)
        return Page(items=self.items, next=None)


async def test_the_state_of_the_comparison_is_stored(sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        store = SqlComparisonStore(database)
        assert await store.find_compared_until() is None
        for instant in (INSTANT, INSTANT + timedelta(days=1), INSTANT):
            await store.save_compared_until(instant)
            assert await store.find_compared_until() == instant
        handled, unknown = [new_id() for _ in range(300)], new_id()
        async with SqlNotificationStore(database, lambda: NOON).begin() as tx:
            for event_id in handled:
                assert await tx.mark_handled(event_id)
        assert await store.list_handled([*handled, unknown]) == set(handled)
        assert await store.list_handled([unknown]) == set()


async def test_two_instances_that_compare_at_the_same_time_queue_each_message_once(sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    clock, changes = MovableClock(NOON + TIME_TO_ARRIVE, running=False), LostBookings(20)
    async with Database(sql_url) as first, Database(sql_url) as second:
        comparisons = []
        for database in (first, second):
            queue = MessageQueue(SqlNotificationStore(database, clock), clock, lambda: None, lambda: None)
            comparisons.append(AppointmentComparison(SqlComparisonStore(database), changes, queue.enqueue_appointment, clock, lambda: None))
        await asyncio.gather(*(comparison.compare() for comparison in comparisons))
        async with first.read() as connection:
            assert await connection.scalar(select(func.count()).select_from(MESSAGES)) == 40
        assert [await comparison.compare() for comparison in comparisons] == [0, 0]
