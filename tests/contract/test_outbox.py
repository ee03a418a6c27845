"""Outbox and inbox on every database and every bus: an event is published if its change was committed, and takes effect once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import String, func, insert, select, type_coerce, update

from shared.kit.bus import Bus
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.jobs import BackgroundWork, Jobs
from shared.kit.leases import LeaseHolder
from shared.kit.logs import traceparent
from shared.kit.outbox import BATCH, Relay, SqlTransaction
from shared.kit.retry import TransactionAborted, retry_transaction
from shared.kit.sql import Database
from shared.kit.sql_leases import SqlLeases
from tests.contract.buses import (
    Broker,
    EmbeddedBroker,
    Event,
    PasswordChanged,
    PatientChanged,
    RabbitBroker,
    RecordingBus,
    RecordingHandler,
    an_event,
    wait_until,
)
from tests.contract.sql import INFRASTRUCTURE, NUMBERS, open_database

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture(params=["embedded", pytest.param("rabbit", marks=pytest.mark.needs_servers("AMQP"))])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    if request.param == "embedded":
        yield EmbeddedBroker(tmp_path)
        return
    rabbit = RabbitBroker(request.getfixturevalue("amqp_url"))
    yield rabbit
    await rabbit.delete_queues()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(running=False)


@pytest.fixture
async def database(sql_url: str) -> AsyncIterator[Database]:
    async with open_database(sql_url) as database:
        yield database


def a_patient_changed() -> PatientChanged:
    return PatientChanged(id=new_id(), occurred_at=MovableClock()(), patient_id=new_id(), version=1)


async def add_events(database: Database, clock: MovableClock, *events: Event, rolls_back: bool = False) -> None:
    async with database.write() as connection:
        tx = SqlTransaction(connection, INFRASTRUCTURE, "test-service", clock)
        for event in events:
            await tx.connection.execute(insert(NUMBERS).values(name=str(event.id), value=1))
            await tx.add_event(event)
        if rolls_back:
            raise RuntimeError("the change did not happen")


async def count_waiting(database: Database) -> int:
    async with database.read() as connection:
        query = select(func.count()).select_from(INFRASTRUCTURE.outbox).where(INFRASTRUCTURE.outbox.c.published_at.is_(None))
        return (await connection.execute(query)).scalar_one()


def a_relay(database: Database, bus: Bus, clock: MovableClock) -> Relay:
    return Relay(database, INFRASTRUCTURE, bus, clock)


async def publish_all(relay: Relay) -> int:
    total = 0
    while count := await relay.publish_waiting():
        total += count
    return total


async def test_an_event_whose_row_cannot_be_read_does_not_stop_the_others(database: Database, clock: MovableClock) -> None:
    events, outbox, bus = [an_event() for _ in range(3)], INFRASTRUCTURE.outbox, RecordingBus()
    await add_events(database, clock, *events)
    async with database.write() as connection:
        damaged = update(outbox).where(outbox.c.event_id == events[0].id).values(event_id=type_coerce("not an id", String))
        await connection.execute(damaged)
    assert await publish_all(a_relay(database, bus, clock)) == 2
    async with database.read() as connection:
        assert await connection.scalar(select(outbox.c.topic).where(outbox.c.published_at.is_(None))) == events[0].topic


async def test_a_committed_event_is_published_and_a_rolled_back_one_is_not(database: Database, broker: Broker, clock: MovableClock) -> None:
    handler, event, rolled_back = RecordingHandler(), an_event(), an_event()
    async with broker.open() as bus:
        await bus.subscribe(f"{broker.name}.a", {PasswordChanged: handler})
        with pytest.raises(RuntimeError):
            await add_events(database, clock, rolled_back, rolls_back=True)
        await add_events(database, clock, event)
        assert await publish_all(a_relay(database, bus, clock)) == 1
        await wait_until(lambda: handler.events)
        assert await publish_all(a_relay(database, bus, clock)) == 0
        last = an_event()
        await add_events(database, clock, last)
        await publish_all(a_relay(database, bus, clock))
        await wait_until(lambda: last.id in handler.ids)
    assert handler.events == [event, last]


async def test_a_handler_runs_under_the_trace_of_the_transaction(database: Database, broker: Broker, clock: MovableClock) -> None:
    seen: list[str | None] = []

    async def note(_event: Event) -> None:
        seen.append(traceparent.get())

    token = traceparent.set(TRACE)
    await add_events(database, clock, an_event())
    traceparent.reset(token)
    async with broker.open() as bus:
        await bus.subscribe(f"{broker.name}.a", {PasswordChanged: note})
        await publish_all(a_relay(database, bus, clock))
        await wait_until(lambda: seen)
    assert seen == [TRACE]


async def test_an_event_that_is_published_twice_takes_effect_once(database: Database, broker: Broker, clock: MovableClock) -> None:
    counted: list[UUID] = []
    tries = 0

    async def count(event: Event) -> None:
        nonlocal tries
        tries += 1
        async with database.write() as connection:
            if await SqlTransaction(connection, INFRASTRUCTURE, "test", clock).mark_handled(event.id):
                counted.append(event.id)

    event = an_event()
    await add_events(database, clock, event)
    async with broker.open() as bus:
        await bus.subscribe(f"{broker.name}.a", {PasswordChanged: count})
        await publish_all(a_relay(database, bus, clock))
        async with database.write() as connection:  # the relay died between the confirm and the mark
            await connection.execute(INFRASTRUCTURE.outbox.update().values(published_at=None))
        await publish_all(a_relay(database, bus, clock))
        await wait_until(lambda: tries >= 2 and counted)  # the handler is called before its transaction has ended
    assert counted == [event.id]


async def test_a_transaction_that_rolls_back_does_not_mark_its_event_as_handled(database: Database, clock: MovableClock) -> None:
    event = an_event()

    async def effect(*, rolls_back: bool) -> bool:
        async with database.write() as connection:
            first = await SqlTransaction(connection, INFRASTRUCTURE, "test", clock).mark_handled(event.id)
            if rolls_back:
                raise RuntimeError
            return first

    with pytest.raises(RuntimeError):
        await effect(rolls_back=True)
    assert [await effect(rolls_back=False), await effect(rolls_back=False)] == [True, False]


async def test_of_many_deliveries_at_once_one_takes_effect(database: Database, clock: MovableClock) -> None:
    event, effects = an_event(), 0

    async def effect() -> bool:
        async with database.write() as connection:
            return await SqlTransaction(connection, INFRASTRUCTURE, "test", clock).mark_handled(event.id)

    effects = sum(await asyncio.gather(*(retry_transaction(effect) for _ in range(10))))
    assert effects == 1


async def test_events_are_published_in_the_order_of_their_commits(database: Database, clock: MovableClock) -> None:
    bus, events = RecordingBus(), [an_event() for _ in range(BATCH + 20)]
    for start in range(0, len(events), 50):
        await add_events(database, clock, *events[start : start + 50])
    assert await publish_all(a_relay(database, bus, clock)) == len(events)
    assert bus.published == [str(event.id) for event in events]


async def test_while_the_bus_is_away_events_stay_and_each_run_tries_it_once(database: Database, clock: MovableClock) -> None:
    bus, events = RecordingBus(is_away=True), [an_event() for _ in range(30)]
    await add_events(database, clock, *events)
    assert await a_relay(database, bus, clock).publish_waiting() == 0
    assert (len(bus.attempted), await count_waiting(database)) == (1, 30)
    bus.is_away = False
    assert await publish_all(a_relay(database, bus, clock)) == 30
    assert bus.published == [str(event.id) for event in events]


async def test_a_topic_without_subscribers_does_not_delay_the_others(database: Database, clock: MovableClock) -> None:
    bus = RecordingBus(unroutable=(PatientChanged.topic,))
    unwanted, wanted = [a_patient_changed() for _ in range(BATCH + 20)], an_event()
    await add_events(database, clock, *unwanted, wanted)
    assert await publish_all(a_relay(database, bus, clock)) == 1
    assert (bus.published, await count_waiting(database)) == ([str(wanted.id)], len(unwanted))
    assert len(bus.attempted) < 5, "one attempt per topic and run is enough"
    bus.unroutable = ()
    assert await publish_all(a_relay(database, bus, clock)) == len(unwanted)


async def test_an_event_that_cannot_be_published_does_not_hold_up_the_others(database: Database, clock: MovableClock) -> None:
    class FailingBus(RecordingBus):
        async def publish(self, topic: str, message_id: str, body: bytes) -> None:
            if message_id in failing:
                self.attempted.append(message_id)
                raise ZeroDivisionError
            await super().publish(topic, message_id, body)

    broken, whole = [an_event() for _ in range(BATCH + 20)], [an_event() for _ in range(3)]
    failing = {str(event.id) for event in broken}
    bus = FailingBus()
    await add_events(database, clock, *broken, *whole)
    assert await a_relay(database, bus, clock).publish_waiting() == 3
    assert bus.published == [str(event.id) for event in whole]
    failing.clear()
    assert await publish_all(a_relay(database, bus, clock)) == len(broken)
    assert await count_waiting(database) == 0


async def test_events_wait_for_the_first_subscriber_of_their_topic(database: Database, broker: Broker, clock: MovableClock) -> None:
    first, second, unwanted, wanted = RecordingHandler(), RecordingHandler(), a_patient_changed(), an_event()
    async with broker.open() as bus:
        await bus.subscribe(f"{broker.name}.a", {PasswordChanged: first})
        await add_events(database, clock, unwanted, wanted)
        assert await publish_all(a_relay(database, bus, clock)) == 1
        await bus.subscribe(f"{broker.name}.b", {PatientChanged: second})
        assert await publish_all(a_relay(database, bus, clock)) == 1
        await wait_until(lambda: first.events and second.ids == [unwanted.id])


async def test_of_two_relays_with_a_lease_one_publishes(database: Database, clock: MovableClock) -> None:
    bus, background_work = RecordingBus(), BackgroundWork()
    instances = []
    for name in ("a", "b"):
        jobs = Jobs(background_work)
        jobs.add(
            "relay",
            a_relay(database, bus, clock).publish_waiting,
            every_seconds=0.01,
            holder=LeaseHolder(SqlLeases(database, INFRASTRUCTURE, clock), name, clock),
        )
        instances.append(jobs)
    async with instances[0], instances[1]:
        for _ in range(20):
            await retry_transaction(partial(add_events, database, clock, *[an_event() for _ in range(10)]))
        await wait_until(lambda: len(bus.published) >= 200)
        await background_work.run_until_idle()
    assert len(bus.published) == len(set(bus.published)) == 200
    assert await count_waiting(database) == 0


async def test_published_events_are_pruned_after_a_week_and_waiting_ones_never(database: Database, clock: MovableClock) -> None:
    bus = RecordingBus(unroutable=(PatientChanged.topic,))
    await add_events(database, clock, an_event(), a_patient_changed())
    await publish_all(a_relay(database, bus, clock))

    async def count_events() -> int:
        async with database.read() as connection:
            return (await connection.execute(select(func.count()).select_from(INFRASTRUCTURE.outbox))).scalar_one()

    clock.advance(timedelta(days=6))
    await a_relay(database, bus, clock).prune()
    assert await count_events() == 2
    clock.advance(timedelta(days=2))
    await a_relay(database, bus, clock).prune()
    assert (await count_events(), await count_waiting(database)) == (1, 1)


async def test_an_event_is_a_cloud_event_that_names_its_source(database: Database, clock: MovableClock) -> None:
    event = an_event()
    await add_events(database, clock, event)
    async with database.read() as connection:
        body = json.loads((await connection.execute(select(INFRASTRUCTURE.outbox.c.body))).scalar_one())
    assert body == {
        "specversion": "1.0",
        "id": str(event.id),
        "source": "test-service",
        "type": "password.changed.v1",
        "subject": str(event.account_id),
        "time": event.model_dump(mode="json")["occurred_at"],
        "datacontenttype": "application/json",
        "data": {"account_id": str(event.account_id)},
    }
    assert Event.from_cloudevent(body) == event


async def test_many_writers_at_once_lose_no_event(database: Database, clock: MovableClock) -> None:
    bus, events = RecordingBus(), [an_event() for _ in range(200)]
    together = await asyncio.gather(
        *(retry_transaction(partial(add_events, database, clock, event)) for event in events), return_exceptions=True
    )
    assert [end for end in together if isinstance(end, TransactionAborted)] == []
    assert await publish_all(a_relay(database, bus, clock)) == len(events)
    assert sorted(bus.published) == sorted(str(event.id) for event in events)
