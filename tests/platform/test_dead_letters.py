"""Events that a service cannot handle appear in the list of dead letters and can be replayed, in each way of running the platform."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from functools import partial
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from shared.kit.rabbit_retries import consumed_queue, persistent_message
from tests.platform.accounts import User, register_patient, sign_in_admin
from tests.platform.houses import Distributed, Embedded, Platform, wait_until

SERVERS = pytest.mark.needs_servers("MYSQL", "MONGO", "AMQP")
SERVICES = ["auth-service", "patient-service", "doctor-service", "scheduling-service", "appointment-service", "notification-service"]


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=pytest.mark.xdist_group("embedded")),
        pytest.param("distributed", marks=[pytest.mark.xdist_group("distributed"), SERVERS]),
    ]
)
def platform(request: pytest.FixtureRequest) -> Platform:
    """The platforms whose queues the tests can reach; the broker of a composed one has no port outside."""
    running: Platform = request.getfixturevalue(request.param)
    return running


def put_into_queue(platform: Platform, service: str, body: bytes) -> None:
    """Put a message into the queue of a service, as the bus would."""
    if isinstance(platform, Embedded):
        with sqlite3.connect(platform.data / "bus.db", timeout=10) as bus:
            row = (service, str(uuid4()), body, time.time() - 86_400)
            bus.execute("INSERT INTO deliveries (queue, message_id, body, due_at) VALUES (?, ?, ?, ?)", row)
        return
    assert isinstance(platform, Distributed)
    asyncio.run(publish_to_rabbit(platform, service, body))


async def publish_to_rabbit(platform: Distributed, service: str, body: bytes) -> None:
    async with await aio_pika.connect(platform.broker) as connection:
        channel = await connection.channel()
        queue = consumed_queue(f"{platform.name}.{service}")
        await channel.default_exchange.publish(persistent_message(body, str(uuid4()), {}), queue, mandatory=True)


def letter_of(admin: User, service: str) -> dict[str, Any] | None:
    page = admin.request("GET", "/admin/dead-letters", service=service)
    assert page["unavailable"] == []
    return page["items"][0] if page["items"] else None


@pytest.mark.parametrize("service", SERVICES)
def test_an_event_that_cannot_be_handled_is_listed_within_seconds_and_can_be_replayed(platform: Platform, service: str) -> None:
    admin = sign_in_admin(platform)
    put_into_queue(platform, service, b'{"id": "mina"}')
    letter = wait_until(lambda: letter_of(admin, service), seconds=20)
    assert (letter["service"], letter["status"], letter["event_id"]) == (service, "waiting", None)
    attempts = letter["attempts"]
    admin.request("POST", f"/admin/dead-letters/{letter['id']}/replay")
    again = wait_until(lambda: (current := letter_of(admin, service)) and current["attempts"] > attempts and current, seconds=20)
    assert (again["id"], again["status"]) == (letter["id"], "waiting")


def test_letters_of_all_services_are_one_list_and_only_admins_see_it(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    for service in SERVICES:
        put_into_queue(platform, service, b"[]")
        wait_until(partial(letter_of, admin, service), seconds=20)
    seen, after = list[tuple[str, str]](), None
    while True:
        page = admin.request("GET", "/admin/dead-letters", limit=2, **({"after": after} if after else {}))
        seen += [(letter["service"], letter["id"]) for letter in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen))
    assert {service for service, _ in seen} == set(SERVICES)
    register_patient(platform).request("GET", "/admin/dead-letters", status=403)
