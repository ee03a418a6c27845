"""The first events of appointments, which notification-service stores with one request, on every SQL server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from notify_svc.domain.messages import Message
from notify_svc.domain.visits import Visit
from notify_svc.ports import AlreadyStored
from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.tables import INFRASTRUCTURE, MESSAGES, VISITS
from notify_svc.usecases.enqueue import MessageQueue
from shared.contracts.events import AppointmentEvent
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON
from tests.unit.notify.builders import a_message, an_event

FIRST = an_event(version=1, event_number=1)
HOSTILE = """'; DROP TABLE visits; -- \\ " %s %(x)s \0 \U0001f600 \n"""


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlNotificationStore]:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        yield SqlNotificationStore(database, lambda: NOON)


async def count_rows(store: SqlNotificationStore) -> list[int]:
    """Return the numbers of handled events, visits and messages."""
    async with store.database.read() as connection:
        return [await connection.scalar(select(func.count()).select_from(table)) or 0 for table in (INFRASTRUCTURE.inbox, VISITS, MESSAGES)]


async def enqueue(store: SqlNotificationStore, event: AppointmentEvent) -> list[str]:
    """Queue the messages about an event; return whom it woke."""
    woken = list[str]()
    await MessageQueue(store, lambda: NOON, lambda: woken.append("sender"), lambda: woken.append("webhooks")).enqueue_appointment(event)
    return woken


async def insert_first(store: SqlNotificationStore, event: AppointmentEvent, *messages: Message) -> None:
    async with store.begin() as tx:
        await tx.insert_first_event(event.id, Visit.from_event(event, NOON), messages)


async def test_a_first_event_that_arrives_twice_is_stored_once(store: SqlNotificationStore) -> None:
    assert await enqueue(store, FIRST) == ["sender"]
    assert await enqueue(store, FIRST) == []
    assert await count_rows(store) == [1, 1, 2]


async def test_a_first_event_that_arrives_after_a_later_one_changes_nothing(store: SqlNotificationStore) -> None:
    moved = an_event("appointment.rescheduled.v1", id=new_id(), version=2, event_number=2, previous_starts_at=NOON + timedelta(days=1))
    await enqueue(store, moved)
    before = await count_rows(store)
    assert await enqueue(store, FIRST) == []
    assert await count_rows(store) == [before[0] + 1, *before[1:]]


async def test_nothing_of_a_first_event_is_stored_when_a_part_of_it_exists(store: SqlNotificationStore) -> None:
    message = a_message()
    await insert_first(store, FIRST, message)
    other = an_event(id=new_id(), appointment_id=new_id(), version=1, event_number=1)
    with pytest.raises(AlreadyStored):
        await insert_first(store, other, message)
    assert await count_rows(store) == [1, 1, 1]


async def test_texts_are_stored_as_they_are(store: SqlNotificationStore) -> None:
    message = replace(a_message(), facts={**a_message().facts, "doctor_name": HOSTILE}, problem=HOSTILE.replace("\0", ""))
    await insert_first(store, FIRST, message)
    assert await store.list_due_messages(NOON, 10) == [message]
    async with store.begin() as tx:
        assert await tx.lock_visit(FIRST.appointment_id) == Visit.from_event(FIRST, NOON)
