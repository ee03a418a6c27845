"""Events that come twice and in any order, over every bus and into every SQL database: the outcome is that of the ordered ones."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from notify_svc.domain.reminders import ReminderDefaults
from notify_svc.repository.tables import MESSAGES, REMINDERS, VISITS
from notify_svc.usecases.enqueue import MessageQueue
from notify_svc.usecases.reminders import ReminderPlanner
from shared.contracts.contacts import DoctorContact, PatientContact, ServiceReminders
from shared.contracts.events import AppointmentEvent
from shared.contracts.http import AccountContact
from shared.kit.bus import handlers_for
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from tests.contract.buses import Broker, EmbeddedBroker, RabbitBroker, publish, wait_until
from tests.contract.webhook_instances import AccountingReceiver, WebhookInstance, add_webhook, an_instance
from tests.running import NOON
from tests.unit.notify.builders import PATIENT, an_event

APPOINTMENTS = [UUID(int=100 + number) for number in range(6)]
MONDAY, TUESDAY, FRIDAY = (datetime(2026, 3, day, 13, tzinfo=UTC) for day in (9, 10, 13))
URL = "https://a.example"


class OnePatient:
    """Implements Contacts for the patient of the events."""

    async def find_patients(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, PatientContact]:
        facts = {"id": PATIENT, "full_name": "Mina", "time_zone": "Europe/Berlin", "locale": "en", "version": 1}
        return {PATIENT: PatientContact.model_validate({**facts, "preferences_version": 0})}

    async def find_doctors(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, DoctorContact]:
        return {}

    async def find_services(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, ServiceReminders]:
        return {}

    async def find_accounts(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, AccountContact]:
        return {}


@pytest.fixture(params=["embedded", pytest.param("rabbit", marks=pytest.mark.needs_servers("AMQP"))])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    if request.param == "embedded":
        yield EmbeddedBroker(tmp_path)
        return
    rabbit = RabbitBroker(request.getfixturevalue("amqp_url"))
    yield rabbit
    await rabbit.delete_queues()


def life_of(appointment: UUID, *, is_restored: bool) -> list[AppointmentEvent]:
    """Return the events of an appointment that was booked, moved twice, amended, cancelled, and perhaps restored."""
    steps: list[tuple[str, str, datetime, dict[str, Any]]] = [
        ("booked", "booked", MONDAY, {}),
        ("rescheduled", "booked", TUESDAY, {"previous_starts_at": MONDAY}),
        ("rescheduled", "booked", FRIDAY, {"previous_starts_at": TUESDAY}),
        ("amended", "booked", FRIDAY, {"changed": ["place"]}),
        ("cancelled", "cancelled", FRIDAY, {}),
        ("booked", "booked", FRIDAY, {}),
    ]
    events = []
    for number, (topic, status, start, changes) in enumerate(steps if is_restored else steps[:-1], start=1):
        facts = {"appointment_id": appointment, "status": status, "starts_at": start, "version": number + 1, "event_number": number}
        events.append(an_event(f"appointment.{topic}.v1", id=new_id(), sequence=number - 1, **facts, **changes))
    return events


async def send_over_bus(broker: Broker, instance: WebhookInstance, events: Sequence[AppointmentEvent], clock: MovableClock) -> None:
    """Publish the events in this order, and handle all of them as the consumer does."""
    queue, handled = MessageQueue(instance.store, clock, lambda: None, lambda: None), list[UUID]()

    async def handle(event: AppointmentEvent) -> None:
        await queue.enqueue_appointment(event)
        handled.append(event.id)

    async with broker.open() as bus:
        await bus.subscribe(f"{broker.name}.a", handlers_for(AppointmentEvent, handle))
        for event in events:
            await publish(bus, event)
        await wait_until(lambda: len(handled) >= len(events), 60)


async def stored_rows(instance: WebhookInstance, *columns: Any) -> set[tuple[Any, ...]]:
    async with instance.store.database.read() as connection:
        rows = [tuple(row) for row in await connection.execute(select(*columns))]
    assert len(set(rows)) == len(rows), "each once"
    return set(rows)


@pytest.mark.parametrize("seed", [1, 2])
async def test_shuffled_and_repeated_events_leave_what_the_ordered_ones_would(sql_url: str, broker: Broker, seed: int) -> None:
    migrate("notify_svc", sql_url)
    lives = {appointment: life_of(appointment, is_restored=number % 2 == 0) for number, appointment in enumerate(APPOINTMENTS)}
    events = [event for life in lives.values() for event in life]
    chance, receiver, clock = random.Random(seed), AccountingReceiver(), MovableClock(NOON, running=False)
    stream = [*events, *chance.sample(events, len(events) // 2)]
    chance.shuffle(stream)
    async with an_instance(sql_url, receiver, clock, "one") as instance:
        await add_webhook(instance, URL)
        await send_over_bus(broker, instance, stream, clock)
        planner = ReminderPlanner(instance.store, OnePatient(), lambda: ReminderDefaults((1440, 60), "Europe/Berlin"), clock)
        while await planner.plan_due():
            pass

        async def is_delivered() -> bool:
            await instance.send_all()
            return len(receiver.webhook_ids) >= len(events)

        await wait_until(is_delivered, 60)
        await instance.send_all()

        newest = {(life[-1].appointment_id, life[-1].version, life[-1].status, FRIDAY) for life in lives.values()}
        visit_columns = VISITS.c.appointment_id, VISITS.c.version, VISITS.c.status, VISITS.c.starts_at
        assert await stored_rows(instance, *visit_columns) == newest
        reminded = {
            (appointment, PATIENT, offset, FRIDAY - timedelta(minutes=offset))
            for appointment, life in lives.items()
            if life[-1].status == "booked"
            for offset in (1440, 60)
        }
        reminder_columns = REMINDERS.c.appointment_id, REMINDERS.c.recipient_id, REMINDERS.c.offset_minutes, REMINDERS.c.due_at
        assert await stored_rows(instance, *reminder_columns) == reminded
        messages = await stored_rows(instance, MESSAGES.c.event_id, MESSAGES.c.audience)
    assert {(life[-1].id, audience) for life in lives.values() for audience in ("patient", "doctor")} <= messages
    assert {event_id for event_id, _ in messages} <= {event.id for event in events}
    assert receiver.received == {(URL, str(appointment)): [event.event_number for event in life] for appointment, life in lives.items()}
    assert len(receiver.webhook_ids) == len(set(receiver.webhook_ids)) == len(events)
