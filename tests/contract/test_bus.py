"""One suite for every bus: durable before publish returns, at-least-once delivery, delayed retries, dead letters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest

from shared.contracts.events import AppointmentEvent
from shared.kit.bus import PublishFailed, handlers_for
from shared.kit.bus_rabbit import RabbitBus
from shared.kit.logs import traceparent
from shared.kit.rabbit_old_queues import PAUSE_SECONDS
from shared.kit.rabbit_retries import DELIVERY_LIMIT, VERSION, dead_letter_queue
from tests.contract.buses import (
    DELAYS,
    Broker,
    EmbeddedBroker,
    Event,
    OldRabbitQueues,
    PasswordChanged,
    PatientChanged,
    RabbitBroker,
    RecordingHandler,
    an_event,
    publish,
    wait_until,
    was_published,
)
from tests.faults.breakable_proxy import BreakableProxy

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
def a(broker: Broker) -> str:
    return f"{broker.name}.a"


@pytest.fixture
def b(broker: Broker) -> str:
    return f"{broker.name}.b"


async def test_every_queue_gets_a_message_once(broker: Broker, a: str, b: str) -> None:
    async with broker.open() as bus:
        first, second, event = RecordingHandler(), RecordingHandler(), an_event()
        await bus.subscribe(a, {PasswordChanged: first})
        await bus.subscribe(b, {PasswordChanged: second})
        await publish(bus, event)
        await wait_until(lambda: first.events and second.events)
        last = an_event()
        await publish(bus, last)
        await wait_until(lambda: last.id in first.ids and last.id in second.ids)
        assert (first.events, second.events) == ([event, last], [event, last])


async def test_a_queue_gets_only_the_topics_that_it_subscribed_to(broker: Broker, a: str, b: str) -> None:
    async with broker.open() as bus:
        first, second = RecordingHandler(), RecordingHandler()
        await bus.subscribe(a, {PasswordChanged: first})
        await bus.subscribe(b, {PatientChanged: second})
        await publish(bus, an_event())
        await wait_until(lambda: first.events)
        assert second.calls == 0


async def test_a_family_of_events_has_one_handler(broker: Broker, a: str) -> None:
    family = handlers_for(AppointmentEvent, RecordingHandler())
    assert {event_type.topic for event_type in family} > {"appointment.booked.v1", "appointment.cancelled.v1"}
    assert len(set(map(id, family.values()))) == 1


async def test_publishing_a_topic_without_subscribers_fails(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        with pytest.raises(PublishFailed):
            await publish(bus, an_event())
        await bus.subscribe(a, {PatientChanged: RecordingHandler()})
        with pytest.raises(PublishFailed):
            await publish(bus, an_event())
        handler = RecordingHandler()
        await bus.subscribe(a, {PasswordChanged: handler})
        await publish(bus, an_event())
        await wait_until(lambda: handler.events)


async def test_a_message_is_delivered_again_after_each_delay_while_its_handler_fails(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        handler, event = RecordingHandler(failures=len(DELAYS)), an_event()
        await bus.subscribe(a, {PasswordChanged: handler})
        started = asyncio.get_running_loop().time()
        await publish(bus, event)
        await wait_until(lambda: handler.events)
        assert (handler.calls, handler.events) == (len(DELAYS) + 1, [event])
        assert asyncio.get_running_loop().time() - started >= sum(DELAYS)
    assert await broker.dead_letters(a) == []


async def test_after_the_last_delay_a_message_becomes_a_dead_letter(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        handler, event = RecordingHandler(failures=1000), an_event()
        await bus.subscribe(a, {PasswordChanged: handler})
        await publish(bus, event)
        await wait_until(lambda: handler.calls == len(DELAYS) + 1)
        last = an_event()
        handler.failures = 0
        await publish(bus, last)
        await wait_until(lambda: handler.events)
        assert handler.events == [last]
    assert [(message_id, json.loads(body)["id"]) for message_id, body in await broker.dead_letters(a)] == [(str(event.id), str(event.id))]


async def test_a_message_that_waits_for_its_retry_does_not_delay_the_others(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        handler, first, second = RecordingHandler(failures=1), an_event(), an_event()
        await bus.subscribe(a, {PasswordChanged: handler})
        await publish(bus, first)
        await wait_until(lambda: handler.calls == 1)
        await publish(bus, second)
        await wait_until(lambda: len(handler.events) == 2)
        assert handler.events == [second, first]


INVALID_BODIES = [
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


async def test_a_message_that_cannot_be_read_becomes_a_dead_letter_at_once(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        handler, event = RecordingHandler(), an_event()
        await bus.subscribe(a, {PasswordChanged: handler})
        for number, body in enumerate(INVALID_BODIES):
            await bus.publish(PasswordChanged.topic, f"invalid-{number}", body)
        await publish(bus, event)
        await wait_until(lambda: handler.events)
        assert (handler.calls, handler.events) == (1, [event])
    assert sorted(body for _, body in await broker.dead_letters(a)) == sorted(INVALID_BODIES)


async def test_a_message_that_is_published_again_is_delivered_again(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        handler, event = RecordingHandler(), an_event()
        await bus.subscribe(a, {PasswordChanged: handler})
        for _ in range(3):
            await publish(bus, event)
        await wait_until(lambda: len(handler.events) == 3)
        assert handler.events == [event] * 3


async def test_a_broadcast_reaches_every_instance(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        handlers = [RecordingHandler() for _ in range(3)]
        for handler in handlers:
            await bus.subscribe_broadcast({PasswordChanged: handler})
        event = an_event()
        await publish(bus, event)
        await wait_until(lambda: all(handler.events for handler in handlers))
        assert [handler.events for handler in handlers] == [[event]] * 3


async def test_a_broadcast_handler_that_fails_does_not_affect_the_others(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        failing, listening, queued = RecordingHandler(failures=1000), RecordingHandler(), RecordingHandler()
        for handler in (failing, listening):
            await bus.subscribe_broadcast({PasswordChanged: handler})
        await bus.subscribe(a, {PasswordChanged: queued})
        await publish(bus, an_event())
        await bus.publish(PasswordChanged.topic, "poison", b"[]")
        await publish(bus, an_event())
        await wait_until(lambda: len(listening.events) == 2 and len(queued.events) == 2)
        assert failing.calls == 2, "a broadcast is not repeated"


async def test_messages_wait_for_a_service_that_is_not_running(broker: Broker, a: str) -> None:
    events = [an_event() for _ in range(3)]
    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: RecordingHandler()})
    async with broker.open() as bus:
        for event in events:
            await publish(bus, event)
    handler = RecordingHandler()
    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: handler})
        await wait_until(lambda: len(handler.events) == 3)
    assert handler.events == events


async def test_a_consumer_that_stops_while_it_handles_a_message_gets_it_again(broker: Broker, a: str) -> None:
    begun, event = asyncio.Event(), an_event()

    async def never_ends(_event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: never_ends})
        await publish(bus, event)
        await asyncio.wait_for(begun.wait(), 5)
    handler = RecordingHandler()
    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: handler})
        await wait_until(lambda: handler.events)
    assert handler.events == [event]


async def test_a_handler_that_swallows_its_cancellation_does_not_delay_closing(broker: Broker, a: str) -> None:
    begun = asyncio.Event()

    async def swallow_cancellation(_event: Event) -> None:
        with suppress(asyncio.CancelledError):
            begun.set()
            await asyncio.sleep(5)

    async with asyncio.timeout(10), broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: swallow_cancellation})
        await publish(bus, an_event())
        await begun.wait()


async def test_a_handler_runs_under_the_trace_of_its_message(broker: Broker, a: str) -> None:
    seen: list[str | None] = []

    async def note(_event: Event) -> None:
        seen.append(traceparent.get())

    async with broker.open() as bus:
        await bus.subscribe(a, {PasswordChanged: note})
        await publish(bus, an_event(), TRACE)
        await wait_until(lambda: len(seen) == 1)
        await publish(bus, an_event())
        await wait_until(lambda: len(seen) == 2)
    assert seen == [TRACE, None]


async def test_an_open_bus_is_ready(broker: Broker) -> None:
    async with broker.open() as bus:
        await bus.check()


async def test_many_at_once_all_arrive(broker: Broker, a: str) -> None:
    async with broker.open() as bus:
        handler, events = RecordingHandler(), [an_event() for _ in range(100)]
        await bus.subscribe(a, {PasswordChanged: handler})
        await asyncio.gather(*(publish(bus, event) for event in events))
        await wait_until(lambda: len(handler.events) == 100)
        assert sorted(handler.ids) == sorted(event.id for event in events)


@pytest.fixture
async def rabbit(amqp_url: str) -> AsyncIterator[RabbitBroker]:
    broker = RabbitBroker(amqp_url)
    yield broker
    await broker.delete_queues()


async def test_instances_of_a_service_share_its_queue(rabbit: RabbitBroker) -> None:
    async with rabbit.open() as bus, rabbit.open() as other:
        first, second, events = RecordingHandler(), RecordingHandler(), [an_event() for _ in range(40)]
        await bus.subscribe(f"{rabbit.name}.a", {PasswordChanged: first})
        await other.subscribe(f"{rabbit.name}.a", {PasswordChanged: second})
        for event in events:
            await publish(bus, event)
        await wait_until(lambda: len(first.events + second.events) >= 40)
        assert sorted(first.ids + second.ids) == sorted(event.id for event in events)
        assert first.events
        assert second.events


async def test_a_message_that_is_never_answered_becomes_a_dead_letter(rabbit: RabbitBroker) -> None:
    """RabbitMQ 4 would drop it without a word, 3 would deliver it for ever."""
    queue, event = f"{rabbit.name}.a", an_event()
    async with rabbit.open() as bus:
        await bus.subscribe(queue, {PasswordChanged: RecordingHandler()})
    async with rabbit.open() as bus:
        await publish(bus, event)
    async with await aio_pika.connect(rabbit.url) as connection:
        consumed = await (await connection.channel()).get_queue(f"{queue}{VERSION}", ensure=False)
        deliveries = 0
        while message := await consumed.get(fail=False):
            deliveries += 1
            await message.nack(requeue=True)
    assert deliveries == DELIVERY_LIMIT + 1
    letters: list[str] = []

    async def is_dead() -> bool:
        letters.extend(message_id for message_id, _ in await rabbit.dead_letters(queue))
        return bool(letters)

    await wait_until(is_dead)
    assert letters == [str(event.id)]


async def test_a_dead_letter_can_be_looked_at_any_number_of_times(rabbit: RabbitBroker) -> None:
    queue = f"{rabbit.name}.a"
    async with rabbit.open() as bus:
        await bus.subscribe(queue, {PasswordChanged: RecordingHandler()})
        await bus.publish(PasswordChanged.topic, "invalid", b"[]")
        await asyncio.sleep(0.1)
    async with await aio_pika.connect(rabbit.url) as connection:
        dead = await (await connection.channel()).get_queue(dead_letter_queue(queue), ensure=False)
        for _ in range(3 * DELIVERY_LIMIT):
            await (await dead.get(timeout=5)).nack(requeue=True)
    assert [message_id for message_id, _ in await rabbit.dead_letters(queue)] == ["invalid"]


async def test_a_message_whose_retry_queue_does_not_take_it_is_not_given_up_at_once(rabbit: RabbitBroker) -> None:
    queue, handler = f"{rabbit.name}.a", RecordingHandler(failures=1000)
    async with rabbit.open() as bus:
        await bus.subscribe(queue, {PasswordChanged: handler})
        async with await aio_pika.connect(rabbit.url) as connection:
            await (await connection.channel()).queue_delete(f"{queue}{VERSION}.retry.{DELAYS[0]}s")
        await publish(bus, an_event())
        await wait_until(lambda: handler.calls == 3)
        assert await rabbit.dead_letters(queue) == []


@pytest.mark.parametrize("instances", [1, 3])
async def test_messages_in_the_queues_of_release_0_1_are_handled_once(rabbit: RabbitBroker, instances: int) -> None:
    queue, dead = f"{rabbit.name}.a", an_event()
    old, waiting = OldRabbitQueues(rabbit, queue), [an_event() for _ in range(20)]
    await old.declare()
    await old.put(".dead", dead)
    for number, event in enumerate(waiting):
        await old.put(["", f".retry.{DELAYS[0]}s", f".retry.{DELAYS[1]}s"][number % 3], event, attempt=number % 3)
    handler = RecordingHandler()
    async with AsyncExitStack() as stack:
        for _ in range(instances):
            bus = await stack.enter_async_context(rabbit.open())
            await bus.subscribe(queue, {PasswordChanged: handler})
        await wait_until(lambda: len(handler.events) >= len(waiting), 30)

        async def none_is_left() -> bool:
            return await old.names() == []

        await wait_until(none_is_left, 30)
    assert sorted(handler.ids) == sorted(event.id for event in waiting)
    assert [message_id for message_id, _ in await rabbit.dead_letters(queue)] == [str(dead.id)]


async def test_a_moved_message_keeps_the_number_of_its_attempts(rabbit: RabbitBroker) -> None:
    queue, event = f"{rabbit.name}.a", an_event()
    old, handler = OldRabbitQueues(rabbit, queue), RecordingHandler(failures=1000)
    await old.declare()
    await old.put(f".retry.{DELAYS[-1]}s", event, attempt=len(DELAYS))
    async with rabbit.open() as bus:
        await bus.subscribe(queue, {PasswordChanged: handler})
        await wait_until(lambda: handler.calls == 1, 30)
        await asyncio.sleep(2 * sum(DELAYS))
    assert handler.calls == 1, "it had its last attempt"
    assert [message_id for message_id, _ in await rabbit.dead_letters(queue)] == [str(event.id)]


async def test_an_instance_of_release_0_1_keeps_its_queues_until_it_ends(rabbit: RabbitBroker) -> None:
    queue, in_hand, later = f"{rabbit.name}.a", an_event(), an_event()
    old, handler = OldRabbitQueues(rabbit, queue), RecordingHandler()
    await old.declare()
    await old.put("", in_hand)
    async with await aio_pika.connect(rabbit.url) as old_instance:
        received: list[object] = []
        await (await (await old_instance.channel()).get_queue(queue)).consume(received.append)  # type: ignore[arg-type]
        await wait_until(lambda: received)
        async with rabbit.open() as bus:
            await bus.subscribe(queue, {PasswordChanged: handler})
            await asyncio.sleep(2 * PAUSE_SECONDS)
            await publish(bus, later)
            await wait_until(lambda: handler.events)
            assert (handler.events, len(received)) == ([later], 1), "new events go to the new queue only"
            assert queue in await old.names()
            await old_instance.close()
            await wait_until(lambda: handler.events == [later, in_hand], 30)


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[BreakableProxy]:
    broker_url = urlsplit(amqp_url)
    proxy = await asyncio.to_thread(BreakableProxy, str(broker_url.hostname), int(broker_url.port or 5672))
    yield proxy
    await asyncio.to_thread(proxy.close)


def bus_over(proxy: BreakableProxy, rabbit: RabbitBroker, startup_seconds: float = 5) -> RabbitBus:
    """Return a bus that cannot reach its broker while the proxy is disconnected."""
    url = rabbit.url.replace(f":{urlsplit(rabbit.url).port}", f":{proxy.port}")
    return RabbitBus(url, delays=DELAYS, exchange=rabbit.name, startup_seconds=startup_seconds)


async def test_a_broker_that_starts_later_gets_the_subscriptions(rabbit: RabbitBroker, proxy: BreakableProxy) -> None:
    proxy.disconnect()
    handler, event = RecordingHandler(), an_event()
    async with bus_over(proxy, rabbit, startup_seconds=0.1) as bus:
        await bus.subscribe(f"{rabbit.name}.a", {PasswordChanged: handler})
        with pytest.raises(PublishFailed):
            await bus.check()
        assert not await was_published(bus, event)
        proxy.reconnect()
        await wait_until(lambda: was_published(bus, event))
        await wait_until(lambda: handler.events)
        await bus.check()


async def test_a_lost_broker_makes_publishing_fail_until_it_is_back(rabbit: RabbitBroker, proxy: BreakableProxy) -> None:
    queued, listening = RecordingHandler(), RecordingHandler()
    async with bus_over(proxy, rabbit) as bus:
        await bus.subscribe(f"{rabbit.name}.a", {PasswordChanged: queued})
        await bus.subscribe_broadcast({PasswordChanged: listening})
        await publish(bus, an_event())
        await wait_until(lambda: queued.events and listening.events)
        proxy.disconnect()
        assert not await was_published(bus, an_event())
        proxy.reconnect()
        accepted: list[Event] = []

        async def is_delivered_again() -> bool:
            event = an_event()
            if await was_published(bus, event):
                accepted.append(event)
            return len(listening.events) > 1

        await wait_until(is_delivered_again, 20)
        await wait_until(lambda: {event.id for event in accepted} <= set(queued.ids))
