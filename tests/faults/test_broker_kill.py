"""A real broker dies while messages wait for their next attempt, and none of them is lost.

RabbitMQ 3.10 loses confirmed messages of a quorum queue that was declared only seconds before the broker is killed. In operation queues
are declared when a service starts, so each test here declares its queues SETTLED_SECONDS before it does anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import aio_pika
import pytest

from shared.kit.bus_rabbit import RabbitBus
from shared.kit.rabbit_retries import VERSION
from tests.contract.buses import PasswordChanged, RecordingHandler, an_event, publish, wait_until
from tests.faults.own_broker import OwnBroker

SETTLED_SECONDS = 5
DELAY_SECONDS = 10.0  # so long that all messages wait at once, also on a busy machine
EVENTS = 50
pytestmark = [pytest.mark.needs_servers("AMQP"), pytest.mark.xdist_group("own broker")]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    with OwnBroker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def open_bus(broker: OwnBroker, exchange: str) -> RabbitBus:
    return RabbitBus(broker.url, delays=[DELAY_SECONDS], exchange=exchange, startup_seconds=30)


async def declare_queues(broker: OwnBroker, name: str) -> None:
    async with open_bus(broker, name) as bus:
        await bus.subscribe(name, {PasswordChanged: RecordingHandler()})
    await asyncio.sleep(SETTLED_SECONDS)


async def count_messages(broker: OwnBroker, queue: str) -> int | None:
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count


async def test_messages_that_wait_for_their_retry_survive_the_kill_of_the_broker(broker: OwnBroker) -> None:
    await declare_queues(broker, "killed")
    handler, events = RecordingHandler(failures=EVENTS), [an_event() for _ in range(EVENTS)]
    async with open_bus(broker, "killed") as bus:
        await bus.subscribe("killed", {PasswordChanged: handler})
        for event in events:
            await publish(bus, event)
        await wait_until(lambda: handler.calls >= EVENTS, 60)

        async def all_wait() -> bool:
            return await count_messages(broker, f"killed{VERSION}.retry.{DELAY_SECONDS}s") == EVENTS

        await wait_until(all_wait, DELAY_SECONDS)
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(DELAY_SECONDS)  # their retry is due while the broker is down
        await asyncio.to_thread(broker.start)
        await wait_until(lambda: set(handler.ids) >= {event.id for event in events}, 60)


async def test_a_message_that_cannot_be_moved_back_stays_in_its_retry_queue(broker: OwnBroker) -> None:
    await declare_queues(broker, "missing")
    handler, event = RecordingHandler(failures=1), an_event()
    async with open_bus(broker, "missing") as bus:
        await bus.subscribe("missing", {PasswordChanged: handler})
        await publish(bus, event)
        await wait_until(lambda: handler.calls == 1)
    async with await aio_pika.connect(broker.url) as connection:
        await (await connection.channel()).queue_delete(f"missing{VERSION}")
    await asyncio.sleep(DELAY_SECONDS + 1)  # its retry was due, and there was no queue to move it to
    async with open_bus(broker, "missing") as bus:
        await bus.subscribe("missing", {PasswordChanged: handler})
        await wait_until(lambda: handler.events == [event], 30)
