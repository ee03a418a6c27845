"""Outbox and inbox on every database and every bus: an event leaves because its change was committed, and counts once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select

from shared.kit.bus import Bus, PublishFailed, Unroutable
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
    Embedded,
    Event,
    Handlers,
    Heard,
    PasswordChanged,
    PatientChanged,
    Rabbit,
    an_event,
    until,
)
from tests.contract.sql import INFRASTRUCTURE, NUMBERS, opened

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture(params=["embedded", "rabbit"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    if request.param == "embedded":
        yield Embedded(tmp_path)
        return
    rabbit = Rabbit(request.getfixturevalue("amqp_url"))
    yield rabbit
    await rabbit.clean()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(running=False)


@pytest.fixture
async def database(sql_url: str) -> AsyncIterator[Database]:
    async with opened(sql_url) as found:
        yield found


class Told:
    """A bus that writes down what it is told, and fails as it is told."""

    def __init__(self, unwanted: tuple[str, ...] = (), *, gone: bool = False) -> None:
        self.unwanted, self.gone = unwanted, gone
        self.tried: list[str] = []
        self.taken: list[str] = []

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        self.tried.append(message_id)
        await asyncio.sleep(0)
        if self.gone:
            raise PublishFailed
        if topic in self.unwanted:
            raise Unroutable
        self.taken.append(message_id)

    async def subscribe(self, queue: str, handlers: Handlers) -> None: ...

    async def subscribe_broadcast(self, handlers: Handlers) -> None: ...

    async def check(self) -> None: ...


def a_patient_changed() -> PatientChanged:
    return PatientChanged(id=new_id(), occurred_at=MovableClock()(), patient_id=new_id(), version=1)


async def announce(database: Database, clock: MovableClock, *events: Event, fails: bool = False) -> None:
    async with database.write() as connection:
        tx = SqlTransaction(connection, INFRASTRUCTURE, "test-service", clock)
        for event in events:
            await tx.connection.execute(insert(NUMBERS).values(name=str(event.id), value=1))
            await tx.add_event(event)
        if fails:
            raise RuntimeError("the change did not happen")


async def waiting(database: Database) -> int:
    async with database.read() as connection:
        query = select(func.count()).select_from(INFRASTRUCTURE.outbox).where(INFRASTRUCTURE.outbox.c.published_at.is_(None))
        return (await connection.execute(query)).scalar_one()


def relay(database: Database, bus: Bus, clock: MovableClock) -> Relay:
    return Relay(database, INFRASTRUCTURE, bus, clock)


async def drained(relay: Relay) -> int:
    total = 0
    while count := await relay.publish_waiting():
        total += count
    return total


async def test_a_committed_event_leaves_and_a_rolled_back_one_does_not(database: Database, broker: Broker, clock: MovableClock) -> None:
    heard, event, undone = Heard(), an_event(), an_event()
    async with broker.open() as bus:
        await bus.subscribe(f"{broker.name}.a", {PasswordChanged: heard})
        with pytest.raises(RuntimeError):
            await announce(database, clock, undone, fails=True)
        await announce(database, clock, event)
        assert await drained(relay(database, bus, clock)) == 1
        await until(lambda: heard.events)
        assert await drained(relay(database, bus, clock)) == 0
        last = an_event()
        await announce(database, clock, last)
        await drained(relay(database, bus, clock))
        await until(lambda: last.id in heard.ids)
    assert heard.events == [event, last]


async def test_the_trace_travels_with_the_event(database: Database, broker: Broker, clock: MovableClock) -> None:
    seen: list[str | None] = []

    async def note(_event: Event) -> None:
        seen.append(traceparent.get())

    token = traceparent.set(TRACE)
    await announce(database, clock, an_event())
    traceparent.reset(token)
    async with broker.open() as bus:
        await bus.subscribe(f"{broker.name}.a", {PasswordChanged: note})
        await drained(relay(database, bus, clock))
        await until(lambda: seen)
    assert seen == [TRACE]


async def test_what_left_twice_counts_once(database: Database, broker: Broker, clock: MovableClock) -> None:
    counted: list[UUID] = []
    tries = 0

    async def count(event: Event) -> None:
        nonlocal tries
        tries += 1
        async with database.write() as connection:
            if await SqlTransaction(connection, INFRASTRUCTURE, "test", clock).mark_handled(event.id):
                counted.append(event.id)

    event = an_event()
    await announce(database, clock, event)
    async with broker.open() as bus:
        await bus.subscribe(f"{broker.name}.a", {PasswordChanged: count})
        await drained(relay(database, bus, clock))
        async with database.write() as connection:  # the relay died between the confirm and the mark
            await connection.execute(INFRASTRUCTURE.outbox.update().values(published_at=None))
        await drained(relay(database, bus, clock))
        await until(lambda: tries == 2)
    assert counted == [event.id]


async def test_an_effect_that_fails_leaves_no_trace_in_the_inbox(database: Database, clock: MovableClock) -> None:
    event = an_event()

    async def effect(*, fails: bool) -> bool:
        async with database.write() as connection:
            first = await SqlTransaction(connection, INFRASTRUCTURE, "test", clock).mark_handled(event.id)
            if fails:
                raise RuntimeError
            return first

    with pytest.raises(RuntimeError):
        await effect(fails=True)
    assert [await effect(fails=False), await effect(fails=False)] == [True, False]


async def test_of_two_deliveries_at_once_one_has_the_effect(database: Database, clock: MovableClock) -> None:
    event, effects = an_event(), 0

    async def effect() -> bool:
        async with database.write() as connection:
            return await SqlTransaction(connection, INFRASTRUCTURE, "test", clock).mark_handled(event.id)

    effects = sum(await asyncio.gather(*(retry_transaction(effect) for _ in range(10))))
    assert effects == 1


async def test_events_leave_in_the_order_of_their_commits(database: Database, clock: MovableClock) -> None:
    bus, events = Told(), [an_event() for _ in range(BATCH + 20)]
    for start in range(0, len(events), 50):
        await announce(database, clock, *events[start : start + 50])
    assert await drained(relay(database, bus, clock)) == len(events)
    assert bus.taken == [str(event.id) for event in events]


async def test_while_the_bus_is_gone_events_stay_and_it_is_asked_once_a_round(database: Database, clock: MovableClock) -> None:
    bus, events = Told(gone=True), [an_event() for _ in range(30)]
    await announce(database, clock, *events)
    assert await relay(database, bus, clock).publish_waiting() == 0
    assert (len(bus.tried), await waiting(database)) == (1, 30)
    bus.gone = False
    assert await drained(relay(database, bus, clock)) == 30
    assert bus.taken == [str(event.id) for event in events]


async def test_a_topic_that_nobody_wants_does_not_hold_up_the_others(database: Database, clock: MovableClock) -> None:
    bus = Told(unwanted=(PatientChanged.topic,))
    unwanted, wanted = [a_patient_changed() for _ in range(BATCH + 20)], an_event()
    await announce(database, clock, *unwanted, wanted)
    assert await drained(relay(database, bus, clock)) == 1
    assert (bus.taken, await waiting(database)) == ([str(wanted.id)], len(unwanted))
    assert len(bus.tried) < 5, "one look per topic and round is enough"
    bus.unwanted = ()
    assert await drained(relay(database, bus, clock)) == len(unwanted)


async def test_a_topic_that_finds_a_queue_later_leaves_then(database: Database, broker: Broker, clock: MovableClock) -> None:
    one, two, unwanted, wanted = Heard(), Heard(), a_patient_changed(), an_event()
    async with broker.open() as bus:
        await bus.subscribe(f"{broker.name}.a", {PasswordChanged: one})
        await announce(database, clock, unwanted, wanted)
        assert await drained(relay(database, bus, clock)) == 1
        await bus.subscribe(f"{broker.name}.b", {PatientChanged: two})
        assert await drained(relay(database, bus, clock)) == 1
        await until(lambda: one.events and two.ids == [unwanted.id])


async def test_of_two_relays_with_a_lease_one_publishes(database: Database, clock: MovableClock) -> None:
    bus, background_work = Told(), BackgroundWork()
    instances = []
    for name in ("a", "b"):
        jobs = Jobs(background_work)
        jobs.add(
            "relay",
            relay(database, bus, clock).publish_waiting,
            every_seconds=0.01,
            holder=LeaseHolder(SqlLeases(database, INFRASTRUCTURE, clock), name, clock),
        )
        instances.append(jobs)
    async with instances[0], instances[1]:
        for _ in range(20):
            await retry_transaction(partial(announce, database, clock, *[an_event() for _ in range(10)]))
        await until(lambda: len(bus.taken) >= 200)
        await background_work.run_until_idle()
    assert len(bus.taken) == len(set(bus.taken)) == 200
    assert await waiting(database) == 0


async def test_what_left_is_kept_for_a_week_and_what_waits_for_ever(database: Database, clock: MovableClock) -> None:
    bus = Told(unwanted=(PatientChanged.topic,))
    await announce(database, clock, an_event(), a_patient_changed())
    await drained(relay(database, bus, clock))

    async def kept() -> int:
        async with database.read() as connection:
            return (await connection.execute(select(func.count()).select_from(INFRASTRUCTURE.outbox))).scalar_one()

    clock.advance(timedelta(days=6))
    await relay(database, bus, clock).prune()
    assert await kept() == 2
    clock.advance(timedelta(days=2))
    await relay(database, bus, clock).prune()
    assert (await kept(), await waiting(database)) == (1, 1)


async def test_an_event_is_a_cloud_event_that_names_its_source(database: Database, clock: MovableClock) -> None:
    event = an_event()
    await announce(database, clock, event)
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
    bus, events = Told(), [an_event() for _ in range(200)]
    together = await asyncio.gather(
        *(retry_transaction(partial(announce, database, clock, event)) for event in events), return_exceptions=True
    )
    assert [end for end in together if isinstance(end, TransactionAborted)] == []
    assert await drained(relay(database, bus, clock)) == len(events)
    assert sorted(bus.taken) == sorted(str(event.id) for event in events)
