"""One suite for every bus: on disk before the publish returns, at least once, later when it fails, among the dead at last."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.contracts.events import AppointmentEvent
from shared.kit.bus import PublishFailed, handlers_for
from shared.kit.bus_rabbit import RabbitBus
from shared.kit.logs import traceparent
from tests.contract.buses import (
    DELAYS,
    Broker,
    Embedded,
    Event,
    Heard,
    PasswordChanged,
    PatientChanged,
    Rabbit,
    an_event,
    left,
    publish,
    until,
)
from tests.faults.cable import Cable

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
def a(broker: Broker) -> str:
    return f"{broker.name}.a"


@pytest.fixture
def b(broker: Broker) -> str:
    return f"{broker.name}.b"


async def test_every_queue_gets_a_message_once(broker: Broker, a: str, b: str) -> None:
    async with broker.open() as bus:
        one, two, event = Heard(), Heard(), an_event()
        await bus.subscribe(a, {PasswordChanged: one})
        await bus.subscribe(b, {PasswordChanged: two})
        await publish(bus, event)
        await until(lambda: one.events and two.events)
        last = an_event()
        await publish(bus, last)
        await until(lambda: last.id in one.ids and last.id in two.ids)
        assert (one.events, two.events) == ([event, last], [event, last])


async def test_a_queue_gets_what_it_asked_for_and_nothing_else(broker: Broker, a: str, b: str) -> None:
    async with broker.open() as bus:
        one, two = Heard(), Heard()
        await bus.subscribe(a, {PasswordChanged: one})
        await bus.subscribe(b, {PatientChanged: two})
        await publish(bus, an_event())
        await until(lambda: one.events)
        assert two.tries == 0


async def test_a_family_of_events_has_one_handler(broker: Broker, a: str) -> None:
    family = handlers_for(AppointmentEvent, Heard())
    assert {kind.topic for kind in family} > {"appointment.booked.v1", "appointment.cancelled.v1"}
    assert len(set(map(id, family.values()))) == 1


async def test_what_nobody_takes_is_undelivered(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        with pytest.raises(PublishFailed):
            await publish(bus, an_event())
        await bus.subscribe(a, {PatientChanged: Heard()})
        with pytest.raises(PublishFailed):
            await publish(bus, an_event())
        heard = Heard()
        await bus.subscribe(a, {PasswordChanged: heard})
        await publish(bus, an_event())
        await until(lambda: heard.events)


async def test_a_failed_handler_is_tried_again_later(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        heard, event = Heard(fails=len(DELAYS)), an_event()
        await bus.subscribe(a, {PasswordChanged: heard})
        started = asyncio.get_running_loop().time()
        await publish(bus, event)
        await until(lambda: heard.events)
        assert (heard.tries, heard.events) == (len(DELAYS) + 1, [event])
        assert asyncio.get_running_loop().time() - started >= sum(DELAYS)
    assert await broker.dead(a) == []


async def test_after_the_last_try_it_lies_among_the_dead(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        heard, event = Heard(fails=1000), an_event()
        await bus.subscribe(a, {PasswordChanged: heard})
        await publish(bus, event)
        await until(lambda: heard.tries == len(DELAYS) + 1)
        last = an_event()
        heard.fails = 0
        await publish(bus, last)
        await until(lambda: heard.events)
        assert heard.events == [last]
    assert [(message_id, json.loads(body)["id"]) for message_id, body in await broker.dead(a)] == [(str(event.id), str(event.id))]


async def test_one_that_waits_does_not_hold_up_the_others(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        heard, first, second = Heard(fails=1), an_event(), an_event()
        await bus.subscribe(a, {PasswordChanged: heard})
        await publish(bus, first)
        await until(lambda: heard.tries == 1)
        await publish(bus, second)
        await until(lambda: len(heard.events) == 2)
        assert heard.events == [second, first]


POISON = [
    b"",
    b"\xff\xfe",
    b"[]",
    b"null",
    b'"x"',
    b"{}",
    b'{"type": ["password.changed.v1"]}',
    b'{"type": "no.such.v1", "id": "x"}',
    b'{"type": "password.changed.v1"}',
    b'{"type": "password.changed.v1", "id": 1, "time": 2, "data": []}',
    b'{"type": "password.changed.v1", "id": "x", "time": "y", "data": {"account_id": "z"}}',
    b"[" * 100_000,
]


async def test_poison_is_dead_at_once_and_does_not_stop_the_others(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        heard, event = Heard(), an_event()
        await bus.subscribe(a, {PasswordChanged: heard})
        for number, body in enumerate(POISON):
            await bus.publish(PasswordChanged.topic, f"poison-{number}", body)
        await publish(bus, event)
        await until(lambda: heard.events)
        assert (heard.tries, heard.events) == (1, [event])
    assert sorted(body for _, body in await broker.dead(a)) == sorted(POISON)


async def test_a_duplicate_passes_for_the_inbox_to_know(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        heard, event = Heard(), an_event()
        await bus.subscribe(a, {PasswordChanged: heard})
        for _ in range(3):
            await publish(bus, event)
        await until(lambda: len(heard.events) == 3)
        assert heard.events == [event] * 3


async def test_listeners_hear_it_on_every_instance(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        heard = [Heard() for _ in range(3)]
        for one in heard:
            await bus.subscribe_broadcast({PasswordChanged: one})
        event = an_event()
        await publish(bus, event)
        await until(lambda: all(one.events for one in heard))
        assert [one.events for one in heard] == [[event]] * 3


async def test_a_listener_that_fails_hinders_nobody(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        failing, listening, queued = Heard(fails=1000), Heard(), Heard()
        for one in (failing, listening):
            await bus.subscribe_broadcast({PasswordChanged: one})
        await bus.subscribe(a, {PasswordChanged: queued})
        await publish(bus, an_event())
        await bus.publish(PasswordChanged.topic, "poison", b"[]")
        await publish(bus, an_event())
        await until(lambda: len(listening.events) == 2 and len(queued.events) == 2)
        assert failing.tries == 2, "it is not told again"


async def test_messages_wait_for_a_service_that_is_away(broker: Broker, a: str) -> None:
    events = [an_event() for _ in range(3)]
    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: Heard()})
    async with broker.open() as bus:
        for event in events:
            await publish(bus, event)
    heard = Heard()
    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: heard})
        await until(lambda: len(heard.events) == 3)
    assert heard.events == events


async def test_a_consumer_that_dies_in_the_middle_gets_it_again(broker: Broker, a: str) -> None:
    begun, event = asyncio.Event(), an_event()

    async def never_done(_event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: never_done})
        await publish(bus, event)
        await asyncio.wait_for(begun.wait(), 5)
    heard = Heard()
    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: heard})
        await until(lambda: heard.events)
    assert heard.events == [event]


async def test_a_handler_that_loses_its_cancellation_does_not_hold_up_the_end(broker: Broker, a: str) -> None:
    begun = asyncio.Event()

    async def deaf(_event: Event) -> None:
        with suppress(asyncio.CancelledError):
            begun.set()
            await asyncio.sleep(5)

    async with asyncio.timeout(10), broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: deaf})
        await publish(bus, an_event())
        await begun.wait()


async def test_the_trace_is_carried_to_the_handler(broker: Broker, a: str) -> None:
    seen: list[str | None] = []

    async def note(_event: Event) -> None:
        seen.append(traceparent.get())

    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: note})
        await publish(bus, an_event(), TRACE)
        await until(lambda: len(seen) == 1)
        await publish(bus, an_event())
        await until(lambda: len(seen) == 2)
    assert seen == [TRACE, None]


async def test_an_open_bus_is_ready(broker: Broker) -> None:
    async with broker.open() as bus:
        await bus.check()


async def test_many_at_once_all_arrive(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        heard, events = Heard(), [an_event() for _ in range(100)]
        await bus.subscribe(a, {PasswordChanged: heard})
        await asyncio.gather(*(publish(bus, event) for event in events))
        await until(lambda: len(heard.events) == 100)
        assert sorted(heard.ids) == sorted(event.id for event in events)


@pytest.fixture
async def rabbit(amqp_url: str) -> AsyncIterator[Rabbit]:
    broker = Rabbit(amqp_url)
    yield broker
    await broker.clean()


async def test_instances_of_a_service_share_its_queue(rabbit: Rabbit) -> None:
    async with rabbit.open() as bus, rabbit.open() as other:
        one, two, events = Heard(), Heard(), [an_event() for _ in range(40)]
        await bus.subscribe(f"{rabbit.name}.a", {PasswordChanged: one})
        await other.subscribe(f"{rabbit.name}.a", {PasswordChanged: two})
        for event in events:
            await publish(bus, event)
        await until(lambda: len(one.events + two.events) >= 40)
        assert sorted(one.ids + two.ids) == sorted(event.id for event in events)
        assert one.events
        assert two.events


@pytest.fixture
async def cable(amqp_url: str) -> AsyncIterator[Cable]:
    far = urlsplit(amqp_url)
    made = await asyncio.to_thread(Cable, str(far.hostname), int(far.port or 5672))
    yield made
    await asyncio.to_thread(made.close)


def over(cable: Cable, rabbit: Rabbit, patience: float = 5) -> RabbitBus:
    """A bus whose broker is gone while the cable is cut."""
    url = rabbit.url.replace(f":{urlsplit(rabbit.url).port}", f":{cable.port}")
    return RabbitBus(url, delays=DELAYS, exchange=rabbit.name, patience=patience)


async def test_a_broker_that_comes_late_finds_what_was_asked_of_it(rabbit: Rabbit, cable: Cable) -> None:
    cable.cut()
    heard, event = Heard(), an_event()
    async with over(cable, rabbit, patience=0.1) as bus:
        await bus.subscribe(f"{rabbit.name}.a", {PasswordChanged: heard})
        with pytest.raises(PublishFailed):
            await bus.check()
        assert not await left(bus, event)
        cable.mend()
        await until(lambda: left(bus, event))
        await until(lambda: heard.events)
        await bus.check()


async def test_a_broker_that_goes_is_told_and_one_that_comes_back_is_used(rabbit: Rabbit, cable: Cable) -> None:
    queued, listening = Heard(), Heard()
    async with over(cable, rabbit) as bus:
        await bus.subscribe(f"{rabbit.name}.a", {PasswordChanged: queued})
        await bus.subscribe_broadcast({PasswordChanged: listening})
        await publish(bus, an_event())
        await until(lambda: queued.events and listening.events)
        cable.cut()
        assert not await left(bus, an_event())
        cable.mend()
        taken: list[Event] = []

        async def heard_again() -> bool:
            event = an_event()
            if await left(bus, event):
                taken.append(event)
            return len(listening.events) > 1

        await until(heard_again, 20)
        await until(lambda: {event.id for event in taken} <= set(queued.ids))
