"""Deliveries of webhooks by several instances, on every SQL database."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from uuid import UUID

from notify_svc.domain.webhook_deliveries import ABANDONED_AFTER_SENDING_FOR, MAX_IN_FLIGHT
from shared.contracts.events import AppointmentEvent
from shared.kit.clock import MovableClock
from shared.kit.migrations import migrate
from tests.contract.webhook_instances import AccountingReceiver, WebhookInstance, add_webhook, an_instance, numbered_event
from tests.running import NOON

APPOINTMENTS, EVENTS = [UUID(int=100 + number) for number in range(8)], 4
URLS = ("https://a.example", "https://b.example")


async def test_two_instances_deliver_every_event_once_and_in_order_and_never_two_of_an_appointment_at_a_time(sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    receiver, clock = AccountingReceiver(), MovableClock(NOON, running=False)
    async with an_instance(sql_url, receiver, clock, "one") as one, an_instance(sql_url, receiver, clock, "two") as two:
        for url in URLS:
            await add_webhook(one, url)
        events = [numbered_event(number, appointment) for appointment in APPOINTMENTS for number in range(1, EVENTS + 1)]
        random.Random(1).shuffle(events)

        async def consume(instance: WebhookInstance, mine: list[AppointmentEvent]) -> None:
            for event in mine:
                await instance.handle(event, clock)

        async with asyncio.TaskGroup() as group:
            group.create_task(consume(one, events[::2]))
            group.create_task(consume(two, [*events[1::2], *events[::5]]))
            for instance in (one, two):
                group.create_task(instance.send_all())
        await asyncio.gather(one.send_all(), two.send_all())
        await asyncio.gather(one.send_all(), two.send_all())
    expected = {(url, str(appointment)): list(range(1, EVENTS + 1)) for url in URLS for appointment in APPOINTMENTS}
    assert receiver.received == expected
    assert {key: count for key, count in receiver.most_in_flight.items() if isinstance(key, tuple) and count > 1} == {}
    assert all(receiver.most_in_flight[url] <= MAX_IN_FLIGHT for url in URLS)


async def test_a_delivery_whose_instance_was_killed_between_sending_and_storing_is_sent_again_with_the_same_id(sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    clock, hanging, receiver = MovableClock(NOON, running=False), AccountingReceiver(hangs=True), AccountingReceiver()
    event = numbered_event(1, APPOINTMENTS[0])
    async with an_instance(sql_url, hanging, clock, "killed") as killed, an_instance(sql_url, receiver, clock, "other") as other:
        await add_webhook(killed, URLS[0])
        await killed.handle(event, clock)
        await killed.handle(numbered_event(2, APPOINTMENTS[0]), clock)
        await killed.dispatcher.send_due()
        await hanging.got_one.wait()
        await killed.kill()
        clock.advance(ABANDONED_AFTER_SENDING_FOR)
        await other.send_all()
        assert receiver.webhook_ids == [], "the other instance may still be sending it"
        clock.advance(timedelta(seconds=1))
        await other.send_all()
    assert hanging.webhook_ids == [str(event.id)]
    assert receiver.webhook_ids[0] == str(event.id)
    assert receiver.received == {(URLS[0], str(APPOINTMENTS[0])): [1, 2]}


async def test_what_an_instance_has_in_flight_when_it_stops_is_given_back_at_once(sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    clock, hanging, receiver = MovableClock(NOON, running=False), AccountingReceiver(hangs=True), AccountingReceiver()
    async with an_instance(sql_url, hanging, clock, "stopped") as stopped, an_instance(sql_url, receiver, clock, "other") as other:
        await add_webhook(stopped, URLS[0])
        async with stopped.dispatcher:
            await stopped.handle(numbered_event(1, APPOINTMENTS[0]), clock)
            await stopped.dispatcher.send_due()
            await hanging.got_one.wait()
        await other.send_all()
    assert receiver.received == {(URLS[0], str(APPOINTMENTS[0])): [1]}
